# shellcheck shell=bash
# What the scripts share: where the repository is, and plain messages. Sourced, not run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export root

heading() { printf '\n== %s\n' "$*"; }

die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# The newest lldb-N installed, else lldb; nothing if there is none.
find_lldb() {
  local version
  for version in $(seq 30 -1 14); do
    if command -v "lldb-$version"; then return; fi
  done
  command -v lldb || true
}

# The minors that have a layout table, newest first: "15 14 ...".
supported_minors() {
  local table
  for table in "$root"/plugin/cpython/layout/tables/v3_*.inc; do basename "$table" .inc; done | sed 's/v3_//' | sort -rn
}

# The newest supported CPython of the machine: pyenv's, selected or not, and those in PATH.
find_python() {
  local minor python
  for minor in $(supported_minors); do
    for python in $(printf '%s\n' "${PYENV_ROOT:-$HOME/.pyenv}/versions/3.$minor".*/bin/python3 | sort -rV) "python3.$minor"; do
      if "$python" -c "import sys; sys.exit(sys.version_info[:2] != (3, $minor))" 2>/dev/null; then
        command -v "$python"
        return
      fi
    done
  done
  die "no CPython of a supported version (3.$(supported_minors | tail -n 1) to 3.$(supported_minors | head -n 1)) in PATH"
}

# start_lab PYTHON FILE FOLDER: starts a lab and waits for its READY; its pid is then $lab. A background job of a script
# has SIGINT ignored, which Python would keep: the lab must be as if started from a terminal.
start_lab() {
  local python=$1 file=$2 ready=$3/ready-$2 line
  mkfifo "$ready"
  "$python" -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.executable, [sys.executable] + sys.argv[1:])' "$root/tests/labs/$file" </dev/null >"$ready" &
  # shellcheck disable=SC2034  # the caller's
  lab=$!
  read -r -t 30 line <"$ready" || die "$file did not become ready"
  [[ $line == READY* ]] || die "$file said $line"
}

# interrupt PID COUNT: sends SIGINTs, each after the last one was taken: standard signals do not queue.
interrupt() {
  local look
  for _ in $(seq "$2"); do
    kill -INT "$1"
    for look in $(seq 500); do
      # Bit 1 of the last digit is SIGINT's.
      grep -qE '^(SigPnd|ShdPnd):.*[2367abef]$' "/proc/$1/status" || break
      [[ $look -lt 500 ]] || die "SIGINT stays pending in $1"
      sleep 0.01
    done
  done
}
