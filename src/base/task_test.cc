#include "base/task.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "base/condition.h"
#include "base/loop_for_tests.h"
#include "base/queue.h"
#include "base/scope.h"

namespace millrace {
namespace {

Task<int> add(int a, int b) { co_return a + b; }
Task<int> chained(int depth) {
    if (depth == 0) co_return 0;
    co_return co_await add(1, co_await chained(depth - 1));
}

TEST(Task, RunsWhenAwaited) {
    Loop loop;
    Scope scope(loop);
    int result = 0;
    scope.spawn([](int& out) -> Task<void> { out = co_await chained(100); }(result));
    EXPECT_EQ(result, 100);
    EXPECT_EQ(scope.running(), 0U);
}

TEST(Task, WaitsForACondition) {
    Loop loop;
    Scope scope(loop);
    Condition condition;
    bool ready = false;
    std::string trace;
    scope.spawn([](Condition& c, bool& ok, std::string& out) -> Task<void> {
        co_await c.until([&] { return ok; });
        out += "woken";
    }(condition, ready, trace));
    condition.notify_all();
    loop.run();
    EXPECT_EQ(trace, "");
    ready = true;
    condition.notify_all();
    loop.run();
    EXPECT_EQ(trace, "woken");
}

TEST(Scope, CancelUnwindsEveryTaskAndCloseWaitsForThem) {
    Loop loop;
    Scope outer(loop);
    Scope scope(loop);
    Condition never;
    int unwound = 0;
    struct Guard {
        int& count;
        ~Guard() { ++count; }
    };
    for (int i = 0; i < 3; ++i) {
        scope.spawn([](Condition& c, int& count) -> Task<void> {
            Guard guard{count};
            co_await c.wait();
            ADD_FAILURE() << "went on after a cancellation";
        }(never, unwound));
    }
    bool closed = false;
    outer.spawn([](Scope& s, bool& out) -> Task<void> {
        co_await s.close();
        out = true;
    }(scope, closed));
    loop.run();
    EXPECT_TRUE(closed);
    EXPECT_EQ(unwound, 3);
}

TEST(Scope, WithScopeCancelsWhatItsBodyLeftRunning) {
    Loop loop;
    Scope root(loop);
    Condition never;
    int result = 0;
    root.spawn([](Condition& c, int& out) -> Task<void> {
        out = co_await with_scope([&c](Scope& inner) -> Task<int> {
            inner.spawn([](Condition& each) -> Task<void> { co_await each.wait(); }(c));
            co_return 7;
        });
    }(never, result));
    loop.run();
    EXPECT_EQ(result, 7);
    EXPECT_EQ(root.running(), 0U);
}

TEST(Scope, ACancelledParentCancelsThroughJoinAndNestedScopes) {
    Loop loop;
    Scope root(loop);
    Condition never;
    bool cancelled = false;
    root.spawn([](Condition& c, bool& out) -> Task<void> {
        try {
            co_await with_scope([&c](Scope& inner) -> Task<void> {
                inner.spawn([](Condition& each) -> Task<void> { co_await each.wait(); }(c));
                co_await inner.join();
            });
        } catch (const Cancelled&) {
            out = true;
            throw;
        }
    }(never, cancelled));
    root.cancel();
    loop.run();
    EXPECT_TRUE(cancelled);
    EXPECT_EQ(root.running(), 0U);
}

TEST(Queue, HoldsPushersBackAndKeepsOrder) {
    Loop loop;
    Scope scope(loop);
    Queue<int> queue(2);
    std::vector<int> got;
    scope.spawn([](Queue<int>& q) -> Task<void> {
        for (int i = 0; i < 10; ++i) EXPECT_TRUE(co_await q.push(i));
        q.close();
    }(queue));
    EXPECT_EQ(queue.size(), 2U);
    scope.spawn([](Queue<int>& q, std::vector<int>& out) -> Task<void> {
        while (auto item = co_await q.pop()) out.push_back(*item);
    }(queue, got));
    loop.run();
    EXPECT_EQ(got, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

TEST(Budget, AdmitsOversizedAmountsAlone) {
    Loop loop;
    Scope scope(loop);
    Budget budget(10);
    std::vector<int> order;
    for (int amount : {8, 50, 1}) {
        scope.spawn([](Budget& b, int n, std::vector<int>& out) -> Task<void> {
            co_await b.acquire(static_cast<std::size_t>(n));
            out.push_back(n);
        }(budget, amount, order));
    }
    EXPECT_EQ(order, (std::vector<int>{8, 1}));
    budget.release(9);
    loop.run();
    EXPECT_EQ(order, (std::vector<int>{8, 1, 50}));
    budget.release(50);
}

}  // namespace
}  // namespace millrace
