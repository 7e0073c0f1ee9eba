#include "cli/links.h"

#include <fmt/core.h>

#include "cli/command.h"
#include "cli/process.h"

namespace millrace::cli {

std::vector<std::string> link_names(std::span<const Outsider> outsiders) {
    std::vector<std::string> names;
    auto add = [&](std::string_view kafka_name) {
        if (kafka_name.empty()) return;
        names.emplace_back(kafka_name);
        names.push_back(fmt::format("{}.sh", kafka_name));
    };
    for (const Outsider& outsider : outsiders) add(outsider.kafka_name);
    for (const Command* command : commands()) add(command->kafka_name);
    return names;
}

std::string_view command_of_link(std::string_view program, std::span<const Outsider> outsiders) {
    if (std::size_t slash = program.rfind('/'); slash != std::string_view::npos) {
        program.remove_prefix(slash + 1);
    }
    if (program.ends_with(".sh")) program.remove_suffix(3);
    if (program.empty()) return {};
    for (const Outsider& outsider : outsiders) {
        if (outsider.kafka_name == program) return outsider.name;
    }
    for (const Command* command : commands()) {
        if (command->kafka_name == program) return command->name;
    }
    return {};
}

Result<int> make_links(std::string_view directory, std::span<const Outsider> outsiders,
                       Process& process) {
    ASSIGN_OR_RETURN(std::string target, process.executable());
    int made = 0;
    for (const std::string& name : link_names(outsiders)) {
        RETURN_IF_ERROR(process.make_link(target, fmt::format("{}/{}", directory, name)));
        ++made;
    }
    return made;
}

}  // namespace millrace::cli
