#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "env/sim/conformance_for_tests.h"

namespace millrace::env::conformance {
namespace {

class TimeConformance : public Conformance {};
MILLRACE_RUN_IN_BOTH_WORLDS(TimeConformance);

class Note final : public Timer {
  public:
    Note(std::string& notes, char what) : notes_(notes), what_(what) {}

  private:
    void fire() override { notes_ += what_; }
    std::string& notes_;
    char what_;
};

TEST_P(TimeConformance, ASleepLastsAsLongAsAskedOrLonger) {
    run([](Shard& here) -> Task<void> {
        Time until = here.now() + Duration::milliseconds(20);
        Timestamp wall = here.wall_ms();
        co_await sleep_until(here, until);
        EXPECT_GE(here.now(), until);
        EXPECT_GE(here.wall_ms(), wall + 15);
        EXPECT_LT(here.wall_ms(), wall + 10'000);
        co_await sleep_until(here, until);  // past
        co_await sleep_for(here, Duration());
    });
}

TEST_P(TimeConformance, TimersFireBySoonestAndThenInTheOrderOfTheirStart) {
    run([](Shard& here) -> Task<void> {
        std::string notes;
        Note a(notes, 'a');
        Note b(notes, 'b');
        Note c(notes, 'c');
        Note d(notes, 'd');
        Time now = here.now();
        c.start(here, now + Duration::milliseconds(4));
        a.start(here, now + Duration::milliseconds(2));
        d.start(here, now + Duration::milliseconds(4));
        b.start(here, now + Duration::milliseconds(3));
        co_await sleep_until(here, now + Duration::milliseconds(10));
        EXPECT_EQ(notes, "abcd");
        EXPECT_FALSE(a.running());
    });
}

TEST_P(TimeConformance, ATimerThatWasStoppedOrStartedAnewDoesNotFireAtItsOldTime) {
    run([](Shard& here) -> Task<void> {
        std::string notes;
        Note stopped(notes, 's');
        Note moved(notes, 'm');
        auto destroyed = std::make_unique<Note>(notes, 'd');
        Time now = here.now();
        stopped.start(here, now + Duration::milliseconds(1));
        moved.start(here, now + Duration::milliseconds(1));
        destroyed->start(here, now + Duration::milliseconds(1));
        stopped.stop();
        destroyed.reset();
        moved.start(here, now + Duration::milliseconds(12));
        EXPECT_TRUE(moved.running());
        EXPECT_EQ(moved.when(), now + Duration::milliseconds(12));
        co_await sleep_until(here, now + Duration::milliseconds(6));
        EXPECT_EQ(notes, here.now() < moved.when() ? "" : "m");
        co_await sleep_until(here, now + Duration::milliseconds(16));
        EXPECT_EQ(notes, "m");
    });
}

Task<int> answer_after(Shard& here, Duration wait) {
    co_await sleep_for(here, wait);
    co_return 7;
}

TEST_P(TimeConformance, ADeadlineCancelsWhatIsLate) {
    run([](Shard& here) -> Task<void> {
        Time start = here.now();
        auto late = co_await with_deadline(here, start + Duration::milliseconds(5),
                                           answer_after(here, Duration::seconds(3000)));
        EXPECT_FALSE(late);
        EXPECT_GE(here.now(), start + Duration::milliseconds(5));
        auto in_time = co_await with_deadline(here, here.now() + Duration::seconds(30),
                                              answer_after(here, Duration::milliseconds(1)));
        EXPECT_EQ(in_time, 7);
        auto no_deadline =
            co_await with_deadline(here, Time::never(), answer_after(here, Duration()));
        EXPECT_EQ(no_deadline, 7);
    });
}

TEST_P(TimeConformance, TheOuterOfTwoDeadlinesEndsBoth) {
    run([](Shard& here) -> Task<void> {
        bool inner_ended = false;
        auto inner = [&](Shard& shard) -> Task<void> {
            co_await with_deadline(shard, shard.now() + Duration::seconds(3000),
                                   answer_after(shard, Duration::seconds(3000)));
            inner_ended = true;  // not reached: it was not the inner one that ended
        };
        bool outer_ended =
            co_await with_deadline(here, here.now() + Duration::milliseconds(3), inner(here));
        EXPECT_FALSE(outer_ended);
        EXPECT_FALSE(inner_ended);
    });
}

TEST_P(TimeConformance, ACancelledSleepEndsAtOnce) {
    run([](Shard& here) -> Task<void> {
        Time start = here.now();
        Scope scope(here);
        bool woke = false;
        auto sleeper = [&](Shard& shard) -> Task<void> {
            co_await sleep_until(shard, Time::never());
            woke = true;
        };
        for (int i = 0; i < 10; ++i) scope.spawn(sleeper(here));
        co_await sleep_for(here, Duration::milliseconds(1));
        EXPECT_EQ(scope.running(), 10U);
        co_await scope.close();
        EXPECT_FALSE(woke);
        EXPECT_LT(here.now(), start + Duration::seconds(20));
    });
}

TEST_P(TimeConformance, SleepersWakeInTheOrderOfTheirTimes) {
    run([&](Shard& here) -> Task<void> {
        std::vector<int> order;
        auto sleeper = [&](Shard& shard, int index, Time until) -> Task<void> {
            co_await sleep_until(shard, until);
            order.push_back(index);
        };
        Time start = here.now() + Duration::milliseconds(2);
        Scope scope(here);
        for (int i = 9; i >= 0; --i) {
            scope.spawn(sleeper(here, i, start + Duration::milliseconds(i * 3)));
        }
        co_await scope.join();
        EXPECT_EQ(order.size(), 10U);
        // A late turn may find several due: they become ready in order, and run in any.
        if (!simulated()) EXPECT_TRUE(std::ranges::is_sorted(order));
    });
}

}  // namespace
}  // namespace millrace::env::conformance
