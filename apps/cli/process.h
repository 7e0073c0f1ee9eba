#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/cancellation.h"
#include "base/result.h"
#include "base/time.h"

namespace millrace::cli {

// The process around a tool: its streams, its interrupts, its place in the file system. Real in
// apps/main.cc, buffers in tests.
class Process {
  public:
    virtual ~Process() = default;

    // Blocking, on any thread. False when nobody reads the stream any more.
    virtual bool write_output(std::string_view text) = 0;
    virtual bool write_error(std::string_view text) = 0;
    // Blocking, on any thread: at least one byte, 0 at the end.
    virtual Result<std::size_t> read_input(MutableBytes into) = 0;
    // From any thread: a read that waits gives 0, and later ones do, too.
    virtual void stop_input() = 0;
    // A person types the input and wants to be asked.
    virtual bool asks_a_person() const = 0;

    // How far the local time zone is ahead of UTC at this time.
    virtual Duration ahead_of_utc(Timestamp time) const = 0;

    virtual Result<std::string> executable() const = 0;
    // Replaces a link that is there already.
    virtual Result<> make_link(std::string_view target, std::string_view path) = 0;

    // What the first SIGINT or SIGTERM cancels, so that the tool can end in its own way; nullptr:
    // the whole tool.
    void interrupts(Cancellation* work) { interruptible_ = work; }
    // For whoever receives the signals. False: nothing was there to be cancelled.
    bool interrupt() {
        if (interruptible_ == nullptr) return false;
        stop_input();
        interruptible_->request();
        return true;
    }

  private:
    Cancellation* interruptible_ = nullptr;
};

// Lets an interrupt cancel `work` for as long as it lives.
class Interruptible {
  public:
    Interruptible(Process& process, Cancellation& work) : process_(process) {
        process_.interrupts(&work);
    }
    Interruptible(const Interruptible&) = delete;
    ~Interruptible() { process_.interrupts(nullptr); }

  private:
    Process& process_;
};

}  // namespace millrace::cli
