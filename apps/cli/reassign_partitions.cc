#include <algorithm>
#include <fmt/format.h>
#include <vector>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/output.h"
#include "cli/reassignment_actions.h"

namespace millrace::cli {

namespace {

constexpr Flag flags[] = {
    maybe_value("bootstrap-server", "HOST:PORT,…", "brokers to connect to"),
    maybe_value("bootstrap-controller", "HOST:PORT,…", "controllers to connect to"),
    command_config(),
    on_off("generate", "propose how topics lie on these brokers, and do nothing"),
    on_off("execute", "begin to move replicas as the plan says"),
    on_off("verify",
           "tell how far the plan is, and take the throttles away when nothing moves any more"),
    on_off("cancel", "give up those moves of the plan that go on"),
    on_off("list", "tell what is on the move"),
    value("reassignment-json-file", "FILE",
          R"(the plan: {"version": 1, "partitions": [{"topic": "t", "partition": 0, )"
          R"("replicas": [1, 2], "log_dirs": ["any", "/data"]}]}; log_dirs may be left out)")
        .file(),
    value("topics-to-move-json-file", "FILE", R"({"version": 1, "topics": [{"topic": "t"}]})")
        .file(),
    value("broker-list", "ID,…", "the brokers that topics shall lie on"),
    on_off("disable-rack-aware", "look away from racks"),
    value("throttle", "N", "bytes a second that brokers move at most; -1: as they are")
        .int64()
        .otherwise("-1"),
    value("replica-alter-log-dirs-throttle", "N",
          "bytes a second that go from one log directory to another at most; -1: as they are")
        .int64()
        .otherwise("-1"),
    value("timeout", "MS", "how long moves to a log directory are waited for to begin")
        .int64()
        .otherwise("10000"),
    on_off("additional", "beside what moves already; changes a throttle, too"),
    on_off("disallow-replication-factor-change",
           "refuse plans that change how many replicas a partition has"),
    on_off("preserve-throttles", "leave the throttles as they are"),
};

struct Action {
    std::string_view flag;
    AdminTool run;
    std::vector<std::string_view> needs;
    std::vector<std::string_view> takes;
    bool asks_controllers = false;
};

std::vector<Action> actions() {
    return {
        {"generate",
         generate_reassignment,
         {"topics-to-move-json-file", "broker-list"},
         {"disable-rack-aware"}},
        {"execute",
         execute_reassignment,
         {"reassignment-json-file"},
         {"throttle", "replica-alter-log-dirs-throttle", "timeout", "additional",
          "disallow-replication-factor-change"}},
        {"verify", verify_reassignment, {"reassignment-json-file"}, {"preserve-throttles"}},
        {"cancel",
         cancel_reassignment,
         {"reassignment-json-file"},
         {"preserve-throttles", "timeout"},
         true},
        {"list", list_reassignments, {}, {}, true},
    };
}

Result<> check(const Arguments& arguments, const Action& action) {
    RETURN_IF_ERROR(check_bootstrap(arguments));
    if (arguments.has("bootstrap-controller") && !action.asks_controllers) {
        return misuse(fmt::format("--{} asks brokers: use --bootstrap-server", action.flag));
    }
    for (std::string_view needed : action.needs) {
        if (!arguments.has(needed))
            return misuse(fmt::format("--{} needs --{}", action.flag, needed));
    }
    for (const Flag& flag : flags) {
        auto is_flag = [&](std::string_view name) { return name == flag.name; };
        bool fits = flag.name == action.flag || flag.name == "command-config" ||
                    flag.name.starts_with("bootstrap-") ||
                    std::ranges::any_of(action.needs, is_flag) ||
                    std::ranges::any_of(action.takes, is_flag);
        if (!fits && arguments.has(flag.name)) {
            return misuse(fmt::format("Option \"--{}\" can't be used with action \"--{}\"",
                                      flag.name, action.flag));
        }
    }
    return {};
}

Task<int> run(env::Shard& shard, const Arguments& arguments, Output& output) {
    Result<> checked = arguments.exactly_one({"generate", "execute", "verify", "cancel", "list"});
    if (!checked) co_return output.fail(checked.error());
    for (const Action& action : actions()) {
        if (!arguments.has(action.flag)) continue;
        if (checked = check(arguments, action); !checked) co_return output.fail(checked.error());
        AdminRun how{.more = {{"client.id", "reassign-partitions-tool"}}};
        co_return co_await run_with_admin(shard, arguments, output, action.run, std::move(how));
    }
    co_return 1;
}

}  // namespace

const Command tools::reassign_partitions{
    .name = "reassign-partitions",
    .kafka_name = "kafka-reassign-partitions",
    .summary = "move replicas to other brokers and log directories",
    .flags = flags,
    .run = run,
};

}  // namespace millrace::cli
