#include "cli/dispatch.h"

#include <fmt/core.h>

#include "cli/arguments.h"
#include "cli/completion.h"
#include "cli/help.h"
#include "cli/links.h"
#include "cli/nearest.h"
#include "cli/output.h"
#include "env/shard.h"

namespace millrace::cli {

namespace {

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
    for (std::string_view one : words) {
        if (one == word) return true;
    }
    return false;
}

int print_completion(std::span<const std::string> words, std::span<const Outsider> outsiders,
                     Output& output) {
    auto script = words.size() == 1 ? completion_script(words[0], outsiders) : std::nullopt;
    if (!script) return output.fail("completion is for one shell of bash, zsh and fish: name it");
    output.write(*script);
    return 0;
}

int print_links(std::span<const std::string> words, std::span<const Outsider> outsiders,
                Output& output) {
    if (words.size() != 1) return output.fail("name the one directory where links shall be made");
    auto made = make_links(words[0], outsiders, output.process());
    if (!made) return output.fail(made.error());
    output.line("Made {} links in {}.", *made, words[0]);
    return 0;
}

int unknown_command(std::string_view name, std::span<const Outsider> outsiders, Output& output) {
    std::vector<std::string_view> names{"completion", "links"};
    for (const Outsider& outsider : outsiders) names.push_back(outsider.name);
    for (const Command* command : commands()) names.push_back(command->name);
    auto nearest = nearest_of(name, names);
    if (nearest) {
        return output.fail(
            fmt::format("There is no command '{}': did you mean '{}'?", name, *nearest));
    }
    return output.fail(
        fmt::format("There is no command '{}': millrace --help lists those there are.", name));
}

Task<int> run_tool(env::Shard& shard, const Command& command, std::span<const std::string> words,
                   Output& output) {
    if (words.empty()) co_return output.fail(help_of(command));
    auto arguments = Arguments::parse(command, words);
    if (!arguments) {
        co_return output.fail(
            fmt::format("{}; see millrace {} --help.", arguments.error().message, command.name));
    }
    if (arguments->wants_help()) {
        output.write(help_of(command));
        co_return 0;
    }
    if (arguments->wants_version()) {
        output.line("{}", version());
        co_return 0;
    }
    for (const Arguments::Given& given : arguments->in_order()) {
        if (!given.flag->is_deprecated) continue;
        output.error(
            fmt::format("--{} is an old flag: {}.", given.flag->name, given.flag->summary));
    }
    co_return co_await command.run(shard, *arguments, output);
}

Task<int> run_command(env::Shard& shard, const Invocation& invocation,
                      std::span<const Outsider> outsiders, Output& output) {
    const std::string& name = invocation.command;
    if (name.empty()) co_return output.fail(overview(outsiders));
    if (is_one_of(name, {"help", "--help", "-h"})) {
        if (const Command* command =
                invocation.words.empty() ? nullptr : find_command(invocation.words[0])) {
            output.write(help_of(*command));
        } else {
            output.write(overview(outsiders));
        }
        co_return 0;
    }
    if (is_one_of(name, {"version", "--version"})) {
        output.line("{}", version());
        co_return 0;
    }
    if (name == "completion") co_return print_completion(invocation.words, outsiders, output);
    if (name == "links") co_return print_links(invocation.words, outsiders, output);
    const Command* command = find_command(name);
    if (command == nullptr) co_return unknown_command(name, outsiders, output);
    co_return co_await run_tool(shard, *command, invocation.words, output);
}

}  // namespace

Invocation read_invocation(std::span<const std::string> line, std::span<const Outsider> outsiders) {
    Invocation invocation;
    if (line.empty()) return invocation;
    invocation.command = command_of_link(line[0], outsiders);
    std::size_t first = 1;
    if (invocation.command.empty() && line.size() > 1) invocation.command = line[first++];
    invocation.words.assign(line.begin() + static_cast<std::ptrdiff_t>(first), line.end());
    return invocation;
}

Task<int> run(env::Shard& shard, Process& process, const Invocation& invocation,
              std::span<const Outsider> outsiders) {
    Output output(process);
    int code = co_await run_command(shard, invocation, outsiders, output);
    bool listened = co_await output.flush(shard);
    co_return code == 0 && !listened ? 1 : code;
}

}  // namespace millrace::cli
