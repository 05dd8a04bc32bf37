// Shape: one hang shape is one file with one pure function from the facts and the two walks to a finding.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "verdict/process.h"
#include "verdict/process_chain.h"
#include "verdict/verdict.h"
#include "verdict/wait_graph.h"

namespace hang::verdict {

// What a rule may look at.
struct Case {
  const Process& process;
  const WaitGraph& graph;
  const CtrlC& ctrl_c;
  const ProcessChain& chain;
};

// Rules, in the order in which they are asked; the first that matches is the verdict, later ones become findings.
std::optional<Finding> stopped_not_hung(const Case& c);             // N1
std::optional<Finding> gil_vs_native_lock(const Case& c);           // G1
std::optional<Finding> gilstate_wrong_interpreter(const Case& c);   // G2
std::optional<Finding> gil_hostage_signal_drop(const Case& c);      // S1
std::optional<Finding> gil_hog_native_call(const Case& c);          // G3
std::optional<Finding> subinterp_close_join(const Case& c);         // I2
std::optional<Finding> frozen_daemon_at_finalize(const Case& c);    // I4
std::optional<Finding> handler_reentrancy_lock(const Case& c);      // S7
std::optional<Finding> interp_queue_orphan_poll(const Case& c);     // I5
std::optional<Finding> subinterp_owns_main_thread(const Case& c);   // S2
std::optional<Finding> tripped_but_main_parked(const Case& c);      // S3
std::optional<Finding> interrupt_swallowed(const Case& c);          // S6
std::optional<Finding> self_wait(const Case& c);                    // L4
std::optional<Finding> unwoken_loop(const Case& c);                 // L5
std::optional<Finding> executor_join_on_loop_close(const Case& c);  // L6
std::optional<Finding> cancel_delivery_spin(const Case& c);         // L7
std::optional<Finding> wakeup_drain_eof_spin(const Case& c);        // L8
std::optional<Finding> loop_blocked_by_sync_call(const Case& c);    // L3
std::optional<Finding> lost_wakeup_primitive(const Case& c);        // L9
std::optional<Finding> await_cycle(const Case& c);                  // L2
std::optional<Finding> guest_loop_double_idle(const Case& c);       // L10
std::optional<Finding> orphaned_channel_park(const Case& c);        // L1
std::optional<Finding> wakeup_fd_misrouted(const Case& c);          // S4
std::optional<Finding> sigint_ignored_or_blocked(const Case& c);    // S5
std::optional<Finding> exit_joins_nondaemon(const Case& c);         // I3
std::optional<Finding> pipe_full_writer(const Case& c);             // B1
std::optional<Finding> child_exit_lost(const Case& c);              // P5
std::optional<Finding> pipe_held_open(const Case& c);               // B2
std::optional<Finding> silent_peer_no_timeout(const Case& c);       // B3
std::optional<Finding> multi_process_wait_chain(const Case& c);     // P6
std::optional<Finding> slow_not_stuck(const Case& c);               // N2
std::optional<Finding> idle_by_design(const Case& c);               // N3

// Helpers shared by the rules.
Finding make_finding(std::string id, std::string shape, Confidence confidence);
// Appends the reading `key` of the snapshot, if there is one.
void cite(Finding& finding, const facts::Snapshot& snapshot, const std::string& key);
// Appends a fact of the kernel as evidence.
void cite_kernel(Finding& finding, const std::string& field, const std::string& value, facts::Source source);
// Evidence for who holds a GIL: its words, the holder's system call, CPU and the watch.
void cite_grip(Finding& finding, const Process& process, const GilGrip& grip);
// Evidence for what a thread waits for.
void cite_wait(Finding& finding, const Process& process, std::uint64_t tid);
// "inside re.match (match, re/__init__.py:167)" or "in nanosleep at ..."
std::string doing(const Process& process, std::uint64_t tid);

// The grip on the main interpreter's GIL, if its holder sleeps on a native lock and does not give it back; else null.
const GilGrip* blocked_grip(const Case& c);
// True if that native lock belongs to a thread that is not part of a deadlock: the holder just waits, GIL in hand.
bool lock_is_owned_elsewhere(const Case& c, const GilGrip& grip);
// How sure it is that a thread seen asleep stays so: certain if it was watched, or the process was at rest; else
// likely.
Confidence confidence_of_sleep(const Process& process, std::uint64_t tid);
// It used, or wanted, a processor for a good part of the watch; on a crowded machine it does not get all it wants.
bool is_busy(const facts::ThreadWatch& watch, double ms);
// "f (libx.so)": the function of the native stack that called `symbol`; "" if it is not on the stack or not known.
std::string native_caller(const Process& process, std::uint64_t tid, std::string_view symbol);

// The main thread sleeps in a wait that leads to other processes or to a descriptor's other end, and nothing seen that
// leads there is more than `most` able. Null where that is not so, or where others' rules apply: the exit, a worker
// without work, a loop that runs a task.
const Actor* kept_main(const Case& c, Ability most);
// The thread that waits in the end: `tid`, or the one at the end of its chain of joins.
std::uint64_t end_of_joins(const Process& process, std::uint64_t tid);
// The blame on a thread of any process.
Blame blame_actor(const Case& c, const Actor& actor);
// Evidence for a walk: what its threads sleep in, and since when that was seen.
void cite_chain(Finding& finding, const Case& c, const std::vector<std::size_t>& walk);
}  // namespace hang::verdict
