#pragma once

#include <cstdint>
#include <cstdlib>
#include <fmt/core.h>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>

#include "base/log_for_tests.h"
#include "base/random.h"
#include "base/task.h"
#include "env/shard.h"
#include "env/sim/world.h"

// Every file operation of a scripted run as the moment at which something goes wrong.
//
//   class Rename final : public env::sim::CrashScript {
//       Task<void> prepare(env::Shard& shard) override;  // what is there before; nothing goes
//       wrong Task<void> act(env::Shard& shard) override;      // remembers what was acknowledged
//       to it Task<void> check(env::Shard& shard) override;    // EXPECTs old or new, and what was
//   };                                                   // acknowledged
//   TEST(…) { env::sim::CrashSweep([] { return std::make_unique<Rename>(); }).crash(); }
//   TEST(…) { env::sim::CrashSweep([] { return std::make_unique<Rename>(); }).fail(); }
//
// The operations of act() are counted once. Then, for each of them and each way to end, a new
// script lives in a new world of the same seed: prepare(), act() with the crash or the failure at
// that operation, reopen() with another crash somewhere in it, and check() in a new
// process; then the power is lost, and check() again: it has brought all to stable storage.
//
// act() stops when something fails, and EXPECTs success of what touches the disk only if `sound`.
// A sweep visits MILLRACE_SWEEP points (50 when that is not set), evenly; ./dev soak visits all.
// MILLRACE_SEED is another seed; MILLRACE_LOG has the log told, which is of the faults mostly.

namespace millrace::env::sim {

class CrashScript {
  public:
    virtual ~CrashScript() = default;
    virtual Task<void> prepare(Shard&) { co_return; }
    virtual Task<void> act(Shard& shard) = 0;
    // Opens what check() opens, so that a crash can come in the middle of it, too.
    virtual Task<void> reopen(Shard&) { co_return; }
    virtual Task<void> check(Shard& shard) = 0;

    bool sound = false;   // nothing goes wrong in this life: what fails is a defect
    bool faulty = false;  // one operation of act() fails, and the disk works again behind it
};

class CrashSweep {
  public:
    using Make = std::function<std::unique_ptr<CrashScript>()>;

    explicit CrashSweep(Make make) : make_(std::move(make)), seed_(number("MILLRACE_SEED", 1)) {
        if (std::getenv("MILLRACE_LOG") == nullptr) quiet_.emplace();
    }

    // The machine loses its power, or the process is killed: between two operations, and in the
    // middle of a write.
    void crash() {
        for_points([&](std::uint64_t point) {
            for (End end : {End::power, End::killed, End::killed_amid}) live(point, end, nullptr);
        });
    }
    // One operation fails and the process goes on, until it is killed or the power is lost.
    void fail() {
        for_points([&](std::uint64_t point) {
            End end = point / stride_ % 2 == 0 ? End::power : End::killed;
            live(point, end, "Input/output error");
            live(point, end, "No space left on device");
        });
    }

  private:
    enum class End { power, killed, killed_amid };
    using Body = Task<void> (CrashScript::*)(Shard&);

    struct Machine {
        explicit Machine(std::uint64_t seed) : world(seed), node(world.add_node("node")) {}
        ~Machine() { world.crash(node); }
        std::uint64_t run(CrashScript& script, Body body) {
            std::uint64_t before = node.disk().operations();
            world.run(node, [&](Shard& shard) -> Task<int> {
                co_await (script.*body)(shard);
                co_return 0;
            });
            return node.disk().operations() - before;
        }
        void cut_off(CrashScript& script, Body body, std::uint64_t point, End end) {
            node.disk().cut_off_after(point, end == End::killed_amid);
            run(script, body);
            if (end == End::power) world.crash(node);
        }
        World world;
        Node& node;
    };

    static std::uint64_t number(const char* name, std::uint64_t otherwise) {
        const char* value = std::getenv(name);
        return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
    }

    void for_points(const std::function<void(std::uint64_t)>& visit) {
        std::uint64_t points = 0;
        {
            Machine machine(seed_);
            std::unique_ptr<CrashScript> script = make_();
            script->sound = true;
            machine.run(*script, &CrashScript::prepare);
            points = machine.run(*script, &CrashScript::act);
            reopening_ = machine.run(*script, &CrashScript::reopen);
            machine.run(*script, &CrashScript::check);
        }
        ASSERT_FALSE(testing::Test::HasFailure()) << "nothing had gone wrong, seed " << seed_;
        ASSERT_GT(points, 0U);
        std::uint64_t most = number("MILLRACE_SWEEP", 50);
        stride_ = (points + most - 1) / most;
        for (std::uint64_t point = 0; point < points && !testing::Test::HasFailure();
             point += stride_) {
            visit(point);
        }
    }

    // `reason`: of the failure; none for a crash.
    void live(std::uint64_t point, End end, const char* reason) {
        if (testing::Test::HasFailure()) return;
        Machine machine(seed_);
        Disk& disk = machine.node.disk();
        std::unique_ptr<CrashScript> script = make_();
        machine.run(*script, &CrashScript::prepare);
        if (reason != nullptr) {
            script->faulty = true;
            disk.fail_after(point, reason);
            machine.run(*script, &CrashScript::act);
            if (end == End::power) machine.world.crash(machine.node);
        } else {
            machine.cut_off(*script, &CrashScript::act, point, end);
        }
        std::string where =
            fmt::format("MILLRACE_SEED={}, operation {} ({}): {}", seed_, point, disk.hit(),
                        reason != nullptr   ? reason
                        : end == End::power ? "power lost"
                                            : "killed");
        std::uint64_t again = Random(seed_ * 1'000'003 + point).below(reopening_ + 1);
        machine.cut_off(*script, &CrashScript::reopen, again, end);
        SCOPED_TRACE(
            fmt::format("{}; then at operation {} ({}) of reopening it", where, again, disk.hit()));
        machine.run(*script, &CrashScript::check);
        machine.world.crash(machine.node);
        machine.run(*script, &CrashScript::check);
    }

    Make make_;
    std::uint64_t seed_;
    std::optional<log::CapturedLog> quiet_;
    std::uint64_t stride_ = 1;
    std::uint64_t reopening_ = 0;
};

}  // namespace millrace::env::sim
