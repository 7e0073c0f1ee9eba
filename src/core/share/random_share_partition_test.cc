// Members that acquire, acknowledge, fall silent and go, under seeds, beside a model that keeps
// each offset by itself: no record is held by two, none is lost or delivered too often, and the
// start never goes back, also over writes that fail and over new leaders. MILLRACE_SEEDS asks for
// more.
#include <algorithm>
#include <cstdlib>
#include <deque>
#include <fmt/core.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "core/share/share_partition.h"
#include "core/share/state_batches.h"

namespace millrace::share {
namespace {

// What is known of one offset.
struct Known {
    bool exists = true;  // the log has a record there
    RecordState state = RecordState::available;
    std::int16_t count = 0;
    std::string member;
    Time until;
    std::uint64_t change = 0;
    bool done = false;   // somebody accepted or rejected it, and that was written
    bool spent = false;  // it was given back after its last delivery
};

class Play {
  public:
    explicit Play(std::uint64_t seed) : random_(seed) {
        limits_.delivery_count_limit = static_cast<std::int32_t>(random_.between(2, 6));
        limits_.max_record_locks = random_.between(5, 60);
        limits_.lock_duration = Duration::milliseconds(random_.between(200, 2'000));
        limits_.renews = random_.chance(0.7);
        log_start_ = log_end_ = random_.between(0, 20);
        grow();
        partition_ = *SharePartition::restore(log_start_, {});
        written_start_ = log_start_;
    }

    void run(int turns) {
        for (int i = 0; i < turns && !testing::Test::HasFailure(); ++i) {
            now_ = now_ + Duration::milliseconds(random_.between(0, 60));
            expire();
            double what = random_.unit();
            if (what < 0.15) {
                grow();
            } else if (what < 0.45) {
                acquire(pick_member());
            } else if (what < 0.75) {
                acknowledge(pick_member());
            } else if (what < 0.80) {
                release(pick_member());
            } else if (what < 0.93) {
                write_one(random_.chance(0.85));
            } else if (what < 0.96) {
                move_start();
            } else if (what < 0.98) {
                change_leader();
            }
            check();
        }
    }

    // Everybody behaves: all that the log has is done with.
    void drain() {
        for (int i = 0; i < 5'000 && !testing::Test::HasFailure(); ++i) {
            while (!changes_.empty()) write_one(true);
            if (partition_->start_offset() == log_end()) break;
            now_ = now_ + Duration::milliseconds(100);
            expire();
            std::string member = pick_member();
            acquire(member);
            accept_all(member);
            check();
        }
        EXPECT_EQ(partition_->start_offset(), log_end());
        for (const auto& [offset, known] : log_) {
            if (offset < log_start_ || !known.exists) continue;
            EXPECT_TRUE(known.done || known.spent) << "offset " << offset << " is lost";
        }
    }

  private:
    struct Write {
        std::uint64_t id = 0;
        std::vector<StateBatch> batches;
        Offset start = 0;
        bool made_by_expiry = false;
    };

    Offset log_end() const { return log_end_; }
    std::string pick_member() { return fmt::format("m{}", random_.below(4)); }

    void grow() {
        auto batches = random_.between(1, 4);
        for (std::int64_t i = 0; i < batches; ++i) {
            if (random_.chance(0.15)) hole(random_.between(1, 6));
            OffsetRange batch{log_end_, log_end_ + random_.between(1, 12) - 1};
            for (Offset offset = batch.first; offset <= batch.last; ++offset)
                log_[offset].exists = offset == batch.last || !random_.chance(0.05);
            bool aborted = random_.chance(0.1);
            if (aborted) {
                for (Offset offset = batch.first; offset <= batch.last; ++offset)
                    log_[offset].exists = false;
            }
            batches_.push_back({batch, aborted});
            log_end_ = batch.last + 1;
        }
    }
    void hole(Offset size) {
        for (Offset i = 0; i < size; ++i) log_[log_end_++].exists = false;
    }

    // The log's batches from the one that has the offset on, as a fetch gives them.
    void read(Offset offset, SharePartition::Acquire& asked) {
        auto most = random_.between(1, 5);
        for (const auto& [batch, aborted] : batches_) {
            if (batch.last < std::max(offset, log_start_) ||
                asked.batches.size() >= static_cast<std::size_t>(most))
                continue;
            asked.batches.push_back(batch);
            if (aborted) asked.aborted.push_back(batch);
        }
    }

    void acquire(const std::string& member) {
        std::optional<Offset> at = partition_->fetch_offset(limits_);
        if (!at) return;
        SharePartition::Acquire asked{
            .member_id = member,
            .mode = random_.chance(0.5) ? AcquireMode::record_limit : AcquireMode::batch_optimized,
            .batch_size = random_.between(1, 20),
            .max_records = random_.between(1, 25),
            .fetch_offset = *at};
        if (*at < log_start_) return move_start_now();
        read(*at, asked);
        Offset end = partition_->end_offset();
        Offset start = partition_->start_offset();
        std::vector<AcquiredRecords> acquired = partition_->acquire(asked, limits_, now_);
        Offset total = 0;
        Offset next = 0;
        std::int16_t largest = 0;
        for (const AcquiredRecords& each : acquired) {
            ASSERT_GE(each.first, next);
            ASSERT_LE(each.first, each.last);
            next = each.last + 1;
            for (Offset offset = each.first; offset <= each.last; ++offset) {
                ASSERT_LT(offset, log_end_);
                ASSERT_GE(offset, asked.batches.front().first);
                Known& known = log_[offset];
                ASSERT_EQ(known.state, RecordState::available) << offset << " is held twice";
                ASSERT_EQ(known.change, 0U);
                known.state = RecordState::acquired;
                known.member = member;
                known.until = now_ + limits_.lock_duration;
                ASSERT_EQ(++known.count, each.delivery_count);
                ASSERT_LE(known.count, limits_.delivery_count_limit) << offset;
                largest = std::max(largest, known.count);
            }
            total += each.last - each.first + 1;
        }
        if (asked.mode == AcquireMode::record_limit) ASSERT_LE(total, asked.max_records);
        bool last_attempt =
            limits_.delivery_count_limit > 2 && largest == limits_.delivery_count_limit;
        if (last_attempt) ASSERT_EQ(total, 1) << "the last attempt is one record's";
        // What was not there, or is hidden, counts as done.
        Offset known_end = std::max(end, partition_->end_offset());
        for (Offset offset = start; offset < known_end; ++offset) {
            auto run = state_of(offset);
            bool archived = !run || *run == RecordState::archived;
            Known& known = log_[offset];
            if (archived && known.state == RecordState::available && known.change == 0) {
                ASSERT_FALSE(known.exists) << offset << " was never delivered";
                known.state = RecordState::archived;
            }
        }
        if (acquired.empty() && *at < end && !asked.batches.empty()) {
            bool all_missing = asked.batches.front().first > *at || !asked.aborted.empty();
            ASSERT_TRUE(all_missing) << "nothing acquired at " << *at;
        }
    }

    std::optional<RecordState> state_of(Offset offset) const {
        if (offset < partition_->start_offset() || offset >= partition_->end_offset())
            return std::nullopt;
        return std::prev(partition_->all().upper_bound(offset))->second.state;
    }

    std::vector<Offset> held(const std::string& member) const {
        std::vector<Offset> offsets;
        for (Offset offset = partition_->start_offset(); offset < partition_->end_offset();
             ++offset) {
            const Known& known = log_.at(offset);
            if (known.state == RecordState::acquired && known.change == 0 && known.member == member)
                offsets.push_back(offset);
        }
        return offsets;
    }

    void acknowledge(const std::string& member) {
        std::vector<Acknowledgement> acknowledgements;
        std::vector<Offset> offsets = held(member);
        std::size_t i = 0;
        while (i < offsets.size()) {
            if (random_.chance(0.3)) {
                ++i;
                continue;
            }
            std::size_t end = i + 1;
            while (end < offsets.size() && offsets[end] == offsets[end - 1] + 1 &&
                   !random_.chance(0.2))
                ++end;
            Acknowledgement each{.offsets = {offsets[i], offsets[end - 1]}, .types = {}};
            std::size_t types = random_.chance(0.5) ? 1 : end - i;
            for (std::size_t t = 0; t < types; ++t)
                each.types.push_back(static_cast<std::int8_t>(random_.between(1, 4)));
            acknowledgements.push_back(std::move(each));
            i = end;
        }
        bool right = true;
        if (random_.chance(0.2)) {
            // One offset too many: it is somebody else's, or nobody's.
            Offset other = random_.between(partition_->start_offset(), log_end_ + 3);
            if (std::ranges::find(offsets, other) == offsets.end()) {
                right = false;
                acknowledgements.push_back({.offsets = {other, other}, .types = {1}});
                std::ranges::sort(acknowledgements, {},
                                  [](const auto& each) { return each.offsets.first; });
            }
        }
        send(member, acknowledgements, right);
    }

    void accept_all(const std::string& member) {
        std::vector<Acknowledgement> acknowledgements;
        for (Offset offset : held(member))
            acknowledgements.push_back({.offsets = {offset, offset}, .types = {1}});
        send(member, acknowledgements, true);
    }

    void send(const std::string& member, const std::vector<Acknowledgement>& acknowledgements,
              bool right) {
        bool renews = false;
        for (const Acknowledgement& each : acknowledgements)
            renews = renews || std::ranges::find(each.types, 4) != each.types.end();
        auto change = partition_->acknowledge(member, acknowledgements, limits_, now_);
        ASSERT_EQ(change.has_value(), right && (!renews || limits_.renews))
            << (change ? "" : change.error().message);
        if (!change) return;
        for (const Acknowledgement& each : acknowledgements) {
            for (Offset offset = each.offsets.first; offset <= each.offsets.last; ++offset) {
                std::size_t at = each.types.size() == 1
                                     ? 0
                                     : static_cast<std::size_t>(offset - each.offsets.first);
                change_known(offset, static_cast<AcknowledgeType>(each.types[at]), change->id);
            }
        }
        queue(*std::move(change), false);
    }

    void change_known(Offset offset, AcknowledgeType type, std::uint64_t change) {
        Known& known = log_[offset];
        if (type == AcknowledgeType::renew) {
            known.until = now_ + limits_.lock_duration;
            return;
        }
        known.change = change;
        known.state = type == AcknowledgeType::accept    ? RecordState::acknowledged
                      : type == AcknowledgeType::release ? given_back(known)
                                                         : RecordState::archived;
    }
    RecordState given_back(const Known& known) const {
        return known.count >= limits_.delivery_count_limit ? RecordState::archived
                                                           : RecordState::available;
    }

    void release(const std::string& member) {
        std::vector<Offset> offsets = held(member);
        SharePartition::Change change = partition_->release(member, limits_);
        for (Offset offset : offsets) change_known(offset, AcknowledgeType::release, change.id);
        queue(std::move(change), false);
    }

    void expire() {
        bool due = partition_->wake_at() <= now_;
        SharePartition::Change change = partition_->expire(limits_, now_);
        for (Offset offset = partition_->start_offset(); offset < partition_->end_offset();
             ++offset) {
            Known& known = log_[offset];
            if (known.state != RecordState::acquired || known.until > now_) continue;
            ASSERT_TRUE(due) << "offset " << offset << " is held for too long";
            known.state = given_back(known);
            known.spent = known.spent || known.state == RecordState::archived;
        }
        queue(std::move(change), true);
    }

    void queue(SharePartition::Change change, bool made_by_expiry) {
        if (change.batches.empty()) {
            partition_->settle(change.id, true, limits_, now_);
            return;
        }
        changes_.push_back(
            {change.id, std::move(change.batches), partition_->start_offset(), made_by_expiry});
    }

    void write_one(bool works) {
        if (changes_.empty()) return;
        Write write = std::move(changes_.front());
        changes_.pop_front();
        if (works) {
            written_start_ = std::max(written_start_, write.start);
            written_ = combined(written_, write.batches, written_start_);
        }
        partition_->settle(write.id, works, limits_, now_);
        for (auto& [offset, known] : log_) {
            if (known.change != write.id) continue;
            known.change = 0;
            if (works) {
                known.done = known.done || known.state == RecordState::acknowledged;
                known.done = known.done || (known.state == RecordState::archived &&
                                            known.count < limits_.delivery_count_limit);
                known.spent = known.spent || known.state == RecordState::archived;
            } else if (known.until <= now_) {
                known.state = given_back(known);
                known.spent = known.spent || known.state == RecordState::archived;
            } else {
                known.state = RecordState::acquired;
            }
        }
    }

    void move_start() {
        if (!random_.chance(0.3)) return;
        log_start_ = random_.between(log_start_, std::min(log_end_, log_start_ + 15));
        if (random_.chance(0.5)) move_start_now();
    }
    void move_start_now() { partition_->move_start(log_start_); }

    // Somebody else leads: what was not written is forgotten.
    void change_leader() {
        Offset before = written_start_;
        changes_.clear();
        auto again = SharePartition::restore(written_start_, written_);
        ASSERT_TRUE(again) << again.error().message;
        ASSERT_GE(again->start_offset(), before);
        partition_ = std::move(*again);
        last_start_ = before;
        for (auto& [offset, known] : log_) {
            known.change = 0;
            known.member.clear();
            std::optional<RecordState> state = state_of(offset);
            if (offset < partition_->start_offset()) {
                continue;
            } else if (!state) {
                known.state = RecordState::available;
                known.count = 0;
                known.spent = false;
            } else {
                const auto& run = std::prev(partition_->all().upper_bound(offset))->second;
                known.state = run.state;
                known.count = run.delivery_count;
                known.spent = run.state == RecordState::archived;
            }
        }
    }

    void check() {
        ASSERT_GE(partition_->start_offset(), last_start_) << "the start went back";
        last_start_ = partition_->start_offset();
        Offset next = partition_->start_offset();
        Offset complete = 0;
        for (const auto& [first, run] : partition_->all()) {
            ASSERT_EQ(first, next);
            ASSERT_GE(run.last, first);
            next = run.last + 1;
            if (run.is_complete()) complete += next - first;
            for (Offset offset = first; offset < next; ++offset) {
                const Known& known = log_[offset];
                ASSERT_EQ(run.state, known.state) << offset;
                ASSERT_EQ(run.change, known.change) << offset;
                if (known.state == RecordState::acquired)
                    ASSERT_EQ(run.member_id, known.member) << offset;
            }
        }
        ASSERT_EQ(next, partition_->end_offset());
        ASSERT_EQ(complete, partition_->delivery_complete_count());
        for (Offset offset = log_start_; offset < partition_->start_offset(); ++offset) {
            const Known& known = log_[offset];
            ASSERT_TRUE(!known.exists || known.done || known.spent) << offset << " is passed over";
        }
    }

    Random random_;
    ShareLimits limits_;
    Time now_ = Time() + Duration::seconds(1'000);
    std::map<Offset, Known> log_;
    std::vector<std::pair<OffsetRange, bool>> batches_;
    Offset log_start_ = 0;
    Offset log_end_ = 0;
    std::optional<SharePartition> partition_;
    Offset last_start_ = 0;
    std::deque<Write> changes_;
    Offset written_start_ = 0;
    std::vector<StateBatch> written_;
};

TEST(RandomSharePartitionTest, NothingIsHeldTwiceOrLost) {
    std::uint64_t seeds = 300;
    if (const char* asked = std::getenv("MILLRACE_SEEDS")) seeds = std::stoull(asked);
    for (std::uint64_t seed = 1; seed <= seeds && !testing::Test::HasFailure(); ++seed) {
        SCOPED_TRACE(fmt::format("seed {}", seed));
        Play play(seed);
        play.run(400);
        play.drain();
        if (testing::Test::HasFailure()) fmt::print(stderr, "seed {} failed\n", seed);
    }
}

}  // namespace
}  // namespace millrace::share
