#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/condition.h"
#include "base/result.h"
#include "base/task.h"
#include "broker/partitions/remote_log.h"
#include "storage/remote/layout.h"

namespace millrace::broker {

// A bound on bytes in memory, of which parts are lent out.
class ByteBudget {
  public:
    // Gives its bytes back when it goes.
    class Share {
      public:
        Share() = default;
        Share(ByteBudget& of, std::uint64_t bytes) : of_(&of), bytes_(bytes) {}
        Share(Share&& other) noexcept
            : of_(std::exchange(other.of_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
        Share& operator=(Share&&) = delete;
        ~Share() { shrink_to(0); }
        std::uint64_t bytes() const { return bytes_; }
        void shrink_to(std::uint64_t bytes) {
            if (bytes >= bytes_) return;
            of_->used_ -= bytes_ - bytes;
            bytes_ = bytes;
        }

      private:
        ByteBudget* of_ = nullptr;
        std::uint64_t bytes_ = 0;
    };
    // As many as there are, up to `wanted`, when all that are lent out are to be `most`; an empty
    // share when that is less than `least`.
    Share take(std::uint64_t least, std::uint64_t wanted, std::uint64_t most);
    std::uint64_t used() const { return used_; }

  private:
    std::uint64_t used_ = 0;
};

// A read that several may wait for. It goes on when they leave, since a call of the store cannot be
// cut short.
template <typename T>
struct SharedRead {
    std::optional<Result<T>> result;
    std::size_t waiting = 0;
    Condition done;

    Task<Result<T>> wait() {
        struct Waiting {
            std::size_t& count;
            explicit Waiting(std::size_t& all) : count(all) { ++count; }
            ~Waiting() { --count; }
        } counted(waiting);
        co_await done.until([&] { return result.has_value(); });
        co_return *result;
    }
    // When `task` is cancelled those who wait hear of it.
    static Task<void> carry_out(std::shared_ptr<SharedRead> read, Task<Result<T>> task) {
        struct Ended {
            SharedRead& read;
            ~Ended() {
                if (!read.result) {
                    read.result = fail(ErrorCode::not_leader_or_follower, "the read was given up");
                }
                read.done.notify_all();
            }
        } ended{*read};
        read->result = co_await std::move(task);
    }
};

// Whole batches of one remote segment, in memory.
struct RemoteBatches {
    storage::remote::RemoteLogSegment segment;
    Slice records;
    std::uint64_t position = 0;                 // of the first one in the segment
    storage::Offset next = storage::no_offset;  // behind the last one
};

// What a request gets of them.
struct RemoteCut {
    Slice records;
    std::uint64_t first_batch_size = 0;  // also where it is too large
    storage::Offset base = storage::no_offset;
    std::uint64_t position = 0;  // of the first batch in the segment
    storage::Offset next = storage::no_offset;
};
// From the batch that holds the request's offset on.
RemoteCut cut_for(const RemoteReadRequest& request, const RemoteBatches& batches);

// Batches that are in memory, or on their way, from `from` on.
struct RemoteChunk : SharedRead<RemoteBatches> {
    RemoteChunk(storage::Offset at, ByteBudget::Share of_budget)
        : from(at), share(std::move(of_budget)) {}
    bool covers(storage::Offset offset) const {
        if (offset == from) return true;
        return result && *result && offset > from && offset < (*result)->next;
    }
    storage::Offset from;
    ByteBudget::Share share;  // empty: it is as large as somebody asked for
    bool used = true;         // since the last sweep
};

// What a tiered partition has in memory of its remote part, and where readers are expected to go
// on: who reads on where he has ended gets ever larger pieces read before he asks. No I/O.
class ReadAhead {
  public:
    using Chunk = std::shared_ptr<RemoteChunk>;
    static constexpr std::uint64_t first_window = 1 << 20;
    static constexpr std::uint64_t largest_window = 4 << 20;

    Chunk find(storage::Offset offset) const;
    Chunk add(storage::Offset from, ByteBudget::Share share = {});
    void drop(const Chunk& chunk) { std::erase(chunks_, chunk); }

    // Bytes that are to be ahead of a reader at `offset`; 0 unless one has ended there.
    std::uint64_t window_at(storage::Offset offset) const;
    // A reader has come from one offset to the other.
    void passed(storage::Offset from, storage::Offset to);
    // What is in memory from `offset` on, without a gap; nothing is said of what is on its way.
    struct Reach {
        storage::Offset end = storage::no_offset;
        std::uint64_t bytes = 0;
        bool goes_on = false;  // the next piece is on its way
    };
    Reach reach(storage::Offset offset) const;

    // Of pieces that were asked for, and come for nobody, so many are kept: the latest.
    void keep_unclaimed(std::size_t most);
    // Drops what nobody has used since the last time.
    void sweep();
    std::size_t count() const { return chunks_.size(); }

  private:
    struct Expected {
        storage::Offset offset = storage::no_offset;
        std::uint64_t window = 0;
    };
    std::vector<Chunk> chunks_;       // oldest first
    std::vector<Expected> expected_;  // the latest last
};

}  // namespace millrace::broker
