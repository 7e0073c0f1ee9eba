#include <atomic>
#include <deque>
#include <string>
#include <vector>

#include "env/sim/conformance_for_tests.h"

namespace millrace::env::conformance {
namespace {

class ShardsConformance : public Conformance {};
MILLRACE_RUN_IN_BOTH_WORLDS(ShardsConformance);

TEST_P(ShardsConformance, ACallRunsThereAndBringsItsValueBack) {
    run(3, [](Shard& here) -> Task<void> {
        EXPECT_EQ(here.shards().count(), 3);
        for (int i = 0; i < 30; ++i) {
            int to = i % 3;
            auto body = [to, i](Shard& there) -> Task<std::string> {
                EXPECT_EQ(there.id(), to);
                co_await sleep_for(there, Duration::microseconds(10));
                EXPECT_EQ(there.id(), to);
                co_return std::to_string(i);
            };
            EXPECT_EQ(co_await call_on(here, to, body), std::to_string(i));
        }
    });
}

TEST_P(ShardsConformance, ACallMayCallBack) {
    run(2, [](Shard& here) -> Task<void> {
        auto inner = [](Shard& back) -> Task<int> { co_return back.id() + 40; };
        auto outer = [&](Shard& there) -> Task<int> {
            int answer = co_await call_on(there, 0, inner);
            co_return answer + there.id() * 2;
        };
        EXPECT_EQ(co_await call_on(here, 1, outer), 42);
    });
}

struct Numbered final : Message {
    Numbered(std::vector<int>& l, std::atomic<int>& c, int n) : log(l), count(c), number(n) {}
    void receive(Shard& here) override {
        EXPECT_EQ(here.id(), 1);
        log.push_back(number);
        ++count;
    }
    std::vector<int>& log;
    std::atomic<int>& count;
    int number;
};

TEST_P(ShardsConformance, MessagesOfOneSenderArriveInOrder) {
    run(2, [](Shard& here) -> Task<void> {
        constexpr int most = 2000;
        std::vector<int> log;
        std::atomic<int> count = 0;
        std::deque<Numbered> messages;
        for (int i = 0; i < most; ++i) {
            here.shards().send(1, messages.emplace_back(log, count, i));
            if (i % 100 == 99) co_await sleep_for(here, Duration());
        }
        while (count < most) co_await sleep_for(here, Duration::microseconds(100));
        for (int i = 0; i < most; ++i) EXPECT_EQ(log[static_cast<std::size_t>(i)], i);
    });
}

TEST_P(ShardsConformance, ManyCallsAtOnceEndEachWithItsOwnValue) {
    run(3, [](Shard& here) -> Task<void> {
        int sum = 0;
        auto one = [&](Shard& shard, int i) -> Task<void> {
            auto body = [i](Shard& there) -> Task<int> {
                co_await sleep_for(there, Duration::microseconds(i % 7));
                co_return i;
            };
            sum += co_await call_on(shard, i % 3, body);
        };
        Scope scope(here);
        for (int i = 0; i < 500; ++i) scope.spawn(one(here, i));
        co_await scope.join();
        EXPECT_EQ(sum, 500 * 499 / 2);
    });
}

struct AtEnd {
    explicit AtEnd(std::atomic<bool>& f) : flag(f) {}
    ~AtEnd() { flag = true; }
    std::atomic<bool>& flag;
};

TEST_P(ShardsConformance, ACancellationFollowsACallAndWaitsForItsEnd) {
    run(2, [](Shard& here) -> Task<void> {
        std::atomic<bool> ended = false;
        auto body = [&](Shard& there) -> Task<int> {
            AtEnd end(ended);
            co_await sleep_until(there, Time::never());
            co_return 1;
        };
        auto value = co_await with_deadline(here, here.now() + Duration::milliseconds(5),
                                            call_on(here, 1, body));
        EXPECT_FALSE(value);
        EXPECT_TRUE(ended);
    });
}

TEST_P(ShardsConformance, ACancellationThatMeetsTheAnswerOnItsWayHarmsNothing) {
    run(2, [](Shard& here) -> Task<void> {
        auto body = [](Shard& there) -> Task<int> {
            co_await sleep_for(there, Duration::microseconds(20));
            co_return 5;
        };
        for (int i = 0; i < 200; ++i) {
            Time deadline = here.now() + Duration::microseconds(i / 2);
            auto value = co_await with_deadline(here, deadline, call_on(here, 1, body));
            EXPECT_EQ(value.value_or(5), 5);
        }
    });
}

TEST_P(ShardsConformance, NothingIsBegunUnderACancellationThatWasRequested) {
    run(2, [](Shard& here) -> Task<void> {
        Cancellation cancelled(here);
        cancelled.request();
        std::atomic<int> begun = 0;
        int passed = 0;
        auto body = [&](Shard&) -> Task<int> { co_return ++begun; };
        auto call = [&](Shard& shard) -> Task<void> {
            co_await call_on(shard, 1, body);
            ++passed;
        };
        auto block = [&](Shard& shard) -> Task<void> {
            co_await blocking(shard, [&] { ++begun; });
            ++passed;
        };
        auto wait = [&](Shard& shard) -> Task<void> {
            co_await sleep_for(shard, Duration());
            ++passed;
        };
        int thrown = 0;
        auto attempt = [&](Task<void> task) -> Task<void> {
            try {
                co_await std::move(task).under(cancelled);
            } catch (const Cancelled&) {
                ++thrown;
            }
        };
        co_await attempt(call(here));
        co_await attempt(block(here));
        co_await attempt(wait(here));
        EXPECT_EQ(thrown, 3);
        EXPECT_EQ(passed, 0);
        EXPECT_EQ(begun, 0);
    });
}

TEST_P(ShardsConformance, AHookRunsOnceAtTheEndOfTheTurn) {
    run([](Shard& here) -> Task<void> {
        std::string order;
        struct Hook final : TurnHook {
            Hook(Shard& s, std::string& o, char m) : shard(s), order(o), mark(m) {}
            void turn_ends() override {
                order += mark;
                if (mark == '1') shard.at_turn_end(*this);
                ++mark;
            }
            Shard& shard;
            std::string& order;
            char mark;
        };
        Hook once(here, order, 'h');
        here.at_turn_end(once);
        here.at_turn_end(once);
        order += 'c';
        co_await sleep_for(here, Duration::milliseconds(2));
        EXPECT_EQ(order, "ch");
        // A hook that asks for another gets it, in the next turn.
        Hook again(here, order, '1');
        here.at_turn_end(again);
        for (int i = 0; i < 10 && order.size() < 4; ++i) {
            co_await sleep_for(here, Duration::microseconds(50));
        }
        EXPECT_EQ(order, "ch12");
        co_await sleep_for(here, Duration::milliseconds(2));
        EXPECT_EQ(order, "ch12");
        // One that has gone is not run.
        here.at_turn_end(*std::make_unique<Hook>(here, order, 'x'));
        co_await sleep_for(here, Duration::milliseconds(2));
        EXPECT_EQ(order, "ch12");
    });
}

TEST_P(ShardsConformance, WhatBlocksRunsAsideAndToItsEnd) {
    run([](Shard& here) -> Task<void> {
        int value = 0;
        co_await blocking(here, [&] { value = 1; });
        EXPECT_EQ(value, 1);
        // A cancellation does not stop what has begun, and its end is awaited.
        auto body = [&](Shard& shard) -> Task<void> {
            co_await blocking(shard, [&] { value = 2; });
            value += 10;
        };
        Scope scope(here);
        scope.spawn(body(here));
        co_await scope.close();
        EXPECT_EQ(value, 12);
    });
}

TEST_P(ShardsConformance, GuestsAreCancelledAndJoinedBeforeTheProcessEnds) {
    std::atomic<int> ended = 0;
    auto guest = [&](Shard& there) -> Task<void> {
        try {
            co_await sleep_until(there, Time::never());
        } catch (const Cancelled&) {
            ++ended;
            throw;
        }
    };
    // Its cleanup takes time, and a call.
    auto slow = [&](Shard& there) -> Task<void> {
        bool cancelled = false;
        try {
            co_await sleep_until(there, Time::never());
        } catch (const Cancelled&) {
            cancelled = true;
        }
        EXPECT_TRUE(cancelled);
        Cancellation shield(there);
        auto nothing = [](Shard&) -> Task<void> { co_return; };
        auto cleanup = [&](Shard& s) -> Task<void> {
            co_await sleep_for(s, Duration::milliseconds(5));
            co_await call_on(s, 0, nothing);
        };
        co_await cleanup(there).under(shield);
        ++ended;
    };
    run(2, [&](Shard& here) -> Task<void> {
        auto start = [&](Shard& there) -> Task<void> {
            there.shards().guests(1).spawn(guest(there));
            there.shards().guests(1).spawn(slow(there));
            co_return;
        };
        co_await call_on(here, 1, start);
    });
    EXPECT_EQ(ended, 2);
}

}  // namespace
}  // namespace millrace::env::conformance
