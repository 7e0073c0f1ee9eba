#include "env/posix/world.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

#include "env/disk.h"
#include "env/network.h"
#include "env/posix/signals.h"

namespace millrace::env::posix {
namespace {

TEST(World, RunsMainOnShardZeroAndGivesItsExitCode) {
    World world({.shards = 2});
    int code = world.run([](Shard& here) -> Task<int> {
        EXPECT_EQ(here.id(), 0);
        EXPECT_EQ(here.shards().count(), 2);
        co_await sleep_for(here, Duration::milliseconds(1));
        co_return 42;
    });
    EXPECT_EQ(code, 42);
}

TEST(World, CallsOntoOtherShardsRunThere) {
    World world({.shards = 3});
    world.run([](Shard& here) -> Task<int> {
        std::thread::id mine = std::this_thread::get_id();
        for (int i = 0; i < 100; ++i) {
            int to = i % 3;
            int answer = co_await call_on(here, to, [&](Shard& there) -> Task<int> {
                EXPECT_EQ(there.id(), to);
                EXPECT_EQ(std::this_thread::get_id() == mine, to == 0);
                co_return i + to;
            });
            EXPECT_EQ(answer, i + to);
            EXPECT_EQ(std::this_thread::get_id(), mine);
        }
        co_return 0;
    });
}

TEST(World, GuestsThatStillRunAreCancelledAndJoinedWhenMainEnds) {
    World world({.shards = 2});
    std::atomic<bool> unwound = false;
    world.run([&](Shard& here) -> Task<int> {
        co_await call_on(here, 1, [&](Shard& there) -> Task<void> {
            there.shards().guests(1).spawn([](Shard& s, std::atomic<bool>& out) -> Task<void> {
                try {
                    co_await sleep_until(s, Time::never());
                } catch (const Cancelled&) {
                    out = true;
                    throw;
                }
            }(there, unwound));
            co_return;
        });
        co_return 0;
    });
    EXPECT_TRUE(unwound);
}

TEST(World, AnIdleShardMakesNoTurn) {
    World world({.shards = 2});
    world.run([&](Shard& here) -> Task<int> {
        co_await call_on(here, 1, [](Shard&) -> Task<void> { co_return; });
        co_await sleep_for(here, Duration::milliseconds(10));  // shard 1 goes to sleep meanwhile
        Loop::Counters before = world.loop(1).counters();
        Loop::Counters own_before = world.loop(0).counters();
        co_await sleep_for(here, Duration::milliseconds(60));
        Loop::Counters after = world.loop(1).counters();
        EXPECT_EQ(after.turns, before.turns);
        EXPECT_EQ(after.polls, before.polls);
        EXPECT_LE(world.loop(0).counters().polls - own_before.polls, 3U);
        co_return 0;
    });
}

TEST(World, HelpersRunBesideTheLoop) {
    World world({.shards = 1, .helper_threads = 2});
    world.run([](Shard& here) -> Task<int> {
        std::thread::id loop = std::this_thread::get_id();
        std::thread::id helper;
        co_await blocking(here, [&] { helper = std::this_thread::get_id(); });
        EXPECT_NE(helper, loop);
        EXPECT_NE(helper, std::thread::id());
        EXPECT_EQ(std::this_thread::get_id(), loop);
        co_return 0;
    });
}

TEST(World, BriefWorkDoesNotQueueBehindLastingWork) {
    World world({.shards = 1, .helper_threads = 1});
    world.run([](Shard& here) -> Task<int> {
        std::promise<void> brief_done;
        std::shared_future<void> done = brief_done.get_future().share();
        co_await with_scope([&](Scope& scope) -> Task<void> {
            for (int i = 0; i < 3; ++i) {
                scope.spawn([](Shard& shard, std::shared_future<void> until) -> Task<void> {
                    co_await lasting(shard, [&] { until.wait(); });
                }(here, done));
            }
            co_await blocking(here, [&] { brief_done.set_value(); });
            co_await scope.join();
        });
        co_return 0;
    });
}

TEST(Signals, AreAwaitedInsteadOfEndingTheProcess) {
    World world({.shards = 2, .signals = {SIGUSR1, SIGUSR2}});
    world.run([](Shard& here) -> Task<int> {
        Signals signals(here, {SIGUSR1, SIGUSR2});
        kill(getpid(), SIGUSR2);
        EXPECT_EQ(co_await signals.next(), SIGUSR2);
        bool in_time = (co_await with_deadline(
                            here, here.now() + Duration::milliseconds(5),
                            [](Signals& s) -> Task<int> { co_return co_await s.next(); }(signals)))
                           .has_value();
        EXPECT_FALSE(in_time);
        kill(getpid(), SIGUSR1);
        EXPECT_EQ(co_await signals.next(), SIGUSR1);
        co_return 0;
    });
}

}  // namespace
}  // namespace millrace::env::posix
