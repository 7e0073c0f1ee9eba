#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/completion.h"
#include "base/condition.h"
#include "base/loop_for_tests.h"
#include "base/queue.h"
#include "base/scope.h"
#include "base/task.h"

namespace millrace {
namespace {

Task<void> note_wake(Condition& condition, std::string& trace, char name) {
    co_await condition.wait();
    trace += name;
}

TEST(Condition, WakesOneOrAllInTheOrderTheyCame) {
    Loop loop;
    Scope scope(loop);
    Condition condition;
    std::string trace;
    for (char name : {'a', 'b', 'c'}) scope.spawn(note_wake(condition, trace, name));
    condition.notify_one();
    EXPECT_EQ(trace, "") << "not within the call";
    loop.run();
    EXPECT_EQ(trace, "a");
    condition.notify_all();
    condition.notify_all();
    loop.run();
    EXPECT_EQ(trace, "abc");
    condition.notify_one();  // for nobody; it is not kept
    scope.spawn(note_wake(condition, trace, 'd'));
    loop.run();
    EXPECT_EQ(trace, "abc");
    scope.cancel();
    loop.run();
    EXPECT_EQ(scope.running(), 0U);
    EXPECT_EQ(trace, "abc") << "a cancelled wait does not go on";
}

TEST(Condition, ACancelledWaiterTakesNobodysWake) {
    Loop loop;
    Scope first(loop);
    Scope second(loop);
    Condition condition;
    std::string trace;
    first.spawn(note_wake(condition, trace, 'a'));
    second.spawn(note_wake(condition, trace, 'b'));
    first.cancel();
    condition.notify_one();
    loop.run();
    EXPECT_EQ(trace, "b");
}

TEST(Completion, IsHadByAllBeforeAndAfterItIsSet) {
    Loop loop;
    Scope scope(loop);
    Completion<std::string> completion;
    std::vector<std::string> got;
    auto get = [](Completion<std::string>& from, std::vector<std::string>& to) -> Task<void> {
        to.push_back(co_await from.get());
    };
    scope.spawn(get(completion, got));
    scope.spawn(get(completion, got));
    EXPECT_FALSE(completion.is_set());
    completion.set("x");
    loop.run();
    scope.spawn(get(completion, got));
    EXPECT_EQ(got, (std::vector<std::string>{"x", "x", "x"}));
}

TEST(Queue, ClosingLetsWhatIsInOutAndWhoWaitsGo) {
    Loop loop;
    Scope scope(loop);
    Queue<int> queue(1);
    ASSERT_TRUE(queue.try_push(1));
    EXPECT_FALSE(queue.try_push(2)) << "it is full";
    std::optional<bool> pushed;
    scope.spawn([](Queue<int>& to, std::optional<bool>& out) -> Task<void> {
        out = co_await to.push(2);
    }(queue, pushed));
    EXPECT_EQ(pushed, std::nullopt);
    queue.close();
    loop.run();
    EXPECT_EQ(pushed, false);
    EXPECT_FALSE(queue.try_push(3));
    std::vector<std::optional<int>> popped;
    auto pop = [](Queue<int>& from, std::vector<std::optional<int>>& out) -> Task<void> {
        out.push_back(co_await from.pop());
    };
    scope.spawn(pop(queue, popped));
    scope.spawn(pop(queue, popped));
    EXPECT_EQ(popped, (std::vector<std::optional<int>>{1, std::nullopt}));
}

TEST(Queue, ACancelledPushLeavesNothingBehind) {
    Loop loop;
    Queue<std::unique_ptr<int>> queue(1);
    ASSERT_TRUE(queue.try_push(std::make_unique<int>(1)));
    {
        Scope scope(loop);
        scope.spawn([](Queue<std::unique_ptr<int>>& to) -> Task<void> {
            co_await to.push(std::make_unique<int>(2));
        }(queue));
        scope.cancel();
        loop.run();
        EXPECT_EQ(scope.running(), 0U);
    }
    EXPECT_EQ(queue.size(), 1U);
}

TEST(Budget, WaitsForRoomAndGivesItBack) {
    Loop loop;
    Scope scope(loop);
    Budget budget(10);
    EXPECT_TRUE(budget.try_acquire(7));
    EXPECT_FALSE(budget.try_acquire(4));
    bool acquired = false;
    scope.spawn([](Budget& of, bool& done) -> Task<void> {
        co_await of.acquire(4);
        done = true;
    }(budget, acquired));
    budget.release(1);
    loop.run();
    EXPECT_TRUE(acquired);
    EXPECT_EQ(budget.used(), 10U);
    budget.release(10);
    EXPECT_TRUE(budget.try_acquire(100)) << "larger than all of it, but alone";
    EXPECT_FALSE(budget.try_acquire(1));
}

// What was left running ends before with_scope() gives its result, and in the inner scope first.
TEST(WithScope, EndsWhatItsBodyLeftBeforeItReturns) {
    Loop loop;
    Scope scope(loop);
    std::string trace;
    auto outer = [](std::string& out) -> Task<void> {
        Condition never;
        int result = co_await with_scope([&](Scope& inner) -> Task<int> {
            inner.spawn([](Condition& c, std::string& o) -> Task<void> {
                try {
                    co_await c.wait();
                } catch (const Cancelled&) {
                    o += "ended ";
                    throw;
                }
            }(never, out));
            out += "body ";
            co_return 7;
        });
        out += std::to_string(result);
    };
    scope.spawn(outer(trace));
    loop.run();
    EXPECT_EQ(trace, "body ended 7");
    EXPECT_EQ(scope.running(), 0U);
}

TEST(WithScope, ACancellationComesThroughAfterTheChildrenEnded) {
    Loop loop;
    Scope scope(loop);
    std::string trace;
    auto outer = [](std::string& out) -> Task<void> {
        Condition never;
        try {
            co_await with_scope([&](Scope& inner) -> Task<void> {
                inner.spawn(note_wake(never, out, 'x'));
                co_await never.wait();
            });
        } catch (const Cancelled&) {
            out += "cancelled";
            throw;
        }
        out += "not reached";
    };
    scope.spawn(outer(trace));
    scope.cancel();
    loop.run();
    EXPECT_EQ(trace, "cancelled");
    EXPECT_EQ(scope.running(), 0U);
}

TEST(Scope, ATaskSpawnedAfterCancellationEndsAtItsFirstWait) {
    Loop loop;
    Scope scope(loop);
    scope.cancel();
    Condition condition;
    std::string trace;
    scope.spawn([](Condition& c, std::string& out) -> Task<void> {
        out += "begun";
        co_await c.wait();
        out += " waited";
    }(condition, trace));
    loop.run();
    EXPECT_EQ(trace, "begun");
    EXPECT_EQ(scope.running(), 0U);
}

}  // namespace
}  // namespace millrace
