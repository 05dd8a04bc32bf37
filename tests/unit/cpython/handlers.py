"""The main thread waits inside handlers of one kind each; the argument says which. READY comes from the wait."""

import contextlib
import logging
import os
import sys
import time

never, _ = os.pipe()
log = logging.getLogger("handlers")


def wait():
    print("READY", flush=True)
    os.read(never, 1)


def passes():
    while True:
        try:
            wait()
        except BaseException as error:
            print("ignored", type(error).__name__)


def bare():
    while True:
        try:
            wait()
        except ValueError:
            return
        except:  # noqa: E722
            log.exception("failed")
            continue


def in_tuple():
    while True:
        try:
            wait()
        except (ValueError, KeyboardInterrupt):
            pass


def returned():
    def step():
        try:
            wait()
        finally:
            return 1  # noqa: B012

    while True:
        step()


def suppressed():
    while True:
        with contextlib.suppress(ValueError, KeyboardInterrupt):
            wait()


class Eats:
    def __enter__(self):
        return self

    def __exit__(self, *details):
        return True


def eaten():
    while True:
        with Eats():
            wait()


class Loop:
    def __init__(self):
        self.running = True

    def pass_it(self):
        while self.running:
            try:
                wait()
            except KeyboardInterrupt:
                pass

    def end(self):
        while self.running:
            try:
                wait()
            except KeyboardInterrupt:
                self.running = False


    def stop(self):
        print("stopping")
        self.running = False

    def end_by_method(self):
        while self.running:
            try:
                wait()
            except KeyboardInterrupt:
                self.stop()


def note(error):
    if error is None:
        return
    log.warning("ignored %s", error)


def noted():
    while True:
        try:
            wait()
        except BaseException as error:
            note(error)


def quit_now(status):
    print("bye")
    sys.exit(status)


def ends_by_function():
    while True:
        try:
            wait()
        except KeyboardInterrupt:
            quit_now(1)


def ends_by_method():
    Loop().end_by_method()


def attribute():
    Loop().pass_it()


def counted():
    count = 0
    while True:
        try:
            wait()
        except KeyboardInterrupt:
            count += 1
            if count > 1:
                break


def ends_by_flag():
    Loop().end()


def breaks():
    while True:
        try:
            wait()
        except KeyboardInterrupt:
            break


def exits():
    while True:
        try:
            wait()
        except KeyboardInterrupt:
            print("bye")
            sys.exit(1)


def raises():
    while True:
        try:
            wait()
        except BaseException:
            log.error("failed")
            raise


def cleans_up():
    while True:
        try:
            wait()
        finally:
            print("cleanup")


def other():
    while True:
        try:
            wait()
        except Exception:
            log.exception("failed")


def outermost():
    try:
        wait()
    except KeyboardInterrupt:
        pass


def asked():
    def step():
        try:
            wait()
            return 1
        except KeyboardInterrupt:
            return None

    while True:
        if step() is None:
            break


class Keeps:
    def __enter__(self):
        return self

    def __exit__(self, *details):
        return False


def kept():
    while True:
        with Keeps(), contextlib.suppress(OSError):
            wait()


KIND()
