// B1 pipe-full-writer: a thread sleeps in a write, and those who should read do not, because they wait themselves.
#include <algorithm>
#include <fmt/format.h>

#include "verdict/shapes/shape.h"

namespace hang::verdict {
namespace {

// A full pipe does not read as full: its buffers are pages, partly used. The write that sleeps is the proof.
const Link* blocked_write(const Case& c, const std::vector<std::size_t>& walk) {
  for (const auto index : walk)
    if (c.chain.link(index).need == Need::room) return &c.chain.link(index);
  return nullptr;
}

Confidence confidence_of(const Case& c, const std::vector<std::size_t>& walk, const Actor& main) {
  const bool rest = std::all_of(walk.begin(), walk.end(), [&](std::size_t index) {
    return c.chain.rests(c.chain.actor(c.chain.link(index).from).pid);
  });
  const bool clear = main.ability == Ability::none && rest;
  return clear ? confidence_of_sleep(c.process, c.process.main_tid()) : Confidence::likely;
}

}  // namespace

std::optional<Finding> pipe_full_writer(const Case& c) {
  const auto* main = kept_main(c, Ability::unclear);
  if (main == nullptr) return std::nullopt;
  const auto walk = c.chain.walk(main->pid, main->tid);
  const auto* write = blocked_write(c, walk);
  if (write == nullptr) return std::nullopt;
  const auto& writer = c.chain.actor(write->from);
  const auto& reader = c.chain.target(*write);
  if (reader.stopped) return std::nullopt;
  auto finding = make_finding("B1", "pipe-full-writer", confidence_of(c, walk, *main));
  const bool ours = writer.pid == main->pid;
  finding.summary =
      fmt::format("{} sleeps in a write and waits for {}. Nobody reads it: the other end is held by {}, which {}.{}",
                  capital(c.chain.label(writer)), write->what, c.chain.process_label(reader.pid), c.chain.doing(reader),
                  ours ? "" : fmt::format(" The {} waits for that.", c.process.thread_label(main->tid)));
  finding.path = c.chain.path(walk);
  auto blame = blame_actor(c, *main);
  if (ours) {
    blame = blame_actor(c, writer);
    blame.fd = write->fd;
  }
  finding.blame.push_back(std::move(blame));
  if (!ours) finding.blame.push_back(blame_actor(c, writer));
  finding.advice =
      "Read what is written before waiting for the writer's end: communicate() instead of wait(), a thread that drains "
      "the pipe, or stdout=DEVNULL or a file.";
  cite_chain(finding, c, walk);
  return finding;
}

}  // namespace hang::verdict
