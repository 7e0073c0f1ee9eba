#include "cli/console_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>

#include "cli/arguments.h"
#include "cli/connect.h"
#include "cli/output.h"
#include "client/client_config.h"
#include "env/shard.h"

namespace millrace::cli {

Result<std::unique_ptr<MessageFormat>> chosen_format(env::Shard& shard,
                                                     const Arguments& arguments) {
    if (arguments.as_json()) return make_json_format();
    config::Properties properties;
    if (arguments.has("formatter-config")) {
        ASSIGN_OR_RETURN(properties,
                         client::read_properties(shard, arguments.text("formatter-config")));
    }
    for (std::string_view part : {"key", "value"}) {
        std::string_view given = arguments.text(fmt::format("{}-deserializer", part));
        if (given.empty()) continue;
        properties.set(fmt::format("{}.deserializer", part), std::string(given));
    }
    RETURN_IF_ERROR(add_assignments(arguments, "property", properties));
    RETURN_IF_ERROR(add_assignments(arguments, "formatter-property", properties));
    return make_message_format(arguments.text("formatter"), properties);
}

Result<std::string> chosen_group(const Arguments& arguments, std::string_view in_file,
                                 const config::Properties& properties) {
    std::set<std::string_view> groups;
    if (arguments.has("group")) groups.insert(arguments.text("group"));
    if (!in_file.empty()) groups.insert(in_file);
    if (std::string_view own = properties.get("group.id"); !own.empty()) groups.insert(own);
    if (groups.size() > 1) {
        return misuse(fmt::format("the group is named differently in several places: {}",
                                  fmt::join(groups, ", ")));
    }
    return groups.empty() ? std::string() : std::string(*groups.begin());
}

ShowingLimits showing_limits(const Arguments& arguments) {
    ShowingLimits limits;
    if (auto most = arguments.number("max-messages"); most && *most >= 0) limits.most = *most;
    if (auto idle = arguments.number("timeout-ms"); idle && *idle >= 0) {
        limits.idle = Duration::milliseconds(*idle);
    }
    return limits;
}

int console_outcome(const Arguments& arguments, const Result<>& shown, const Result<>& closed,
                    std::int64_t count, Output& output) {
    int code = 0;
    if (!shown) code = output.fail(shown.error());
    if (!closed && code == 0) code = output.fail(closed.error());
    output.error(fmt::format("Processed a total of {} messages", count));
    if (arguments.has("enable-systest-events")) output.line("shutdown_complete");
    return code;
}

}  // namespace millrace::cli
