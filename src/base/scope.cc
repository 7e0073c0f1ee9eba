#include "base/scope.h"

namespace millrace {

// The coroutine that carries a spawned task; frees itself when the task has ended.
struct Scope::Spawned {
    struct promise_type : PooledFrame {
        promise_type(Scope& scope, Task<void>&)
            : cancellation(&scope.cancellation_), owner(scope) {}
        Spawned get_return_object() noexcept { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        auto final_suspend() noexcept {
            struct End {
                bool await_ready() noexcept { return false; }
                void await_suspend(std::coroutine_handle<promise_type> coroutine) noexcept {
                    Scope& scope = coroutine.promise().owner;
                    coroutine.destroy();
                    scope.ended();
                }
                void await_resume() noexcept {}
            };
            return End{};
        }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { CHECK(false && "only Cancelled flies"); }
        Cancellation* cancellation;
        Scope& owner;
    };
};

Scope::Spawned Scope::run(Scope&, Task<void> task) {
    try {
        co_await std::move(task);
    } catch (const Cancelled&) {  // the end that cancel() asks for
    }
}

void Scope::spawn(Task<void> task) {
    ++running_;
    run(*this, std::move(task));
}

class Scope::Join final : public Wait {
  public:
    explicit Join(Scope& scope) : scope_(scope) {}
    void await_resume() const noexcept {}
    bool was_cancelled() const { return Wait::was_cancelled(); }

  private:
    bool start() override {
        if (scope_.running_ == 0) return false;
        CHECK(scope_.join_ == nullptr);
        scope_.join_ = this;
        return true;
    }
    void give_up() override { scope_.cancel(); }

    Scope& scope_;
};

void Scope::ended() {
    if (--running_ > 0 || join_ == nullptr) return;
    std::exchange(join_, nullptr)->complete();
}

Task<void> Scope::join() {
    Cancellation& caller = co_await current_cancellation();
    if (running_ == 0) co_return;
    if (caller.requested()) {
        co_await close();
        throw Cancelled{};
    }
    Join join(*this);
    co_await join;
    if (join.was_cancelled()) throw Cancelled{};
}

// Waits under a cancellation of its own: a cancelled caller still waits for its tasks.
Task<void> Scope::close() {
    cancel();
    Cancellation& caller = co_await current_cancellation();
    Cancellation shield(caller.executor());
    co_await [](Scope& scope) -> Task<void> { co_await Join(scope); }(*this).under(shield);
}

}  // namespace millrace
