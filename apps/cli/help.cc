#include "cli/help.h"

#include <algorithm>
#include <fmt/core.h>
#include <iterator>
#include <vector>

#include "cli/command.h"
#include "cli/output.h"

namespace millrace::cli {

namespace {

constexpr std::size_t columns = 100;

std::string spelled(const Flag& flag) {
    std::string out = flag.short_name != 0 ? fmt::format("-{}, --{}", flag.short_name, flag.name)
                                           : fmt::format("--{}", flag.name);
    if (flag.takes == Flag::Takes::value) out += fmt::format(" {}", flag.shown);
    if (flag.takes == Flag::Takes::maybe_value) out += fmt::format(" [{}]", flag.shown);
    return out;
}

std::string explained(const Flag& flag) {
    std::string out(flag.summary);
    std::vector<std::string> notes;
    if (flag.is_required) notes.emplace_back("required");
    if (flag.is_deprecated) notes.emplace_back("old name");
    if (flag.takes_several) {
        notes.emplace_back("takes several");
    } else if (flag.may_repeat) {
        notes.emplace_back("may be repeated");
    }
    if (!flag.one_of.empty()) {
        std::string choices(flag.one_of);
        std::ranges::replace(choices, ' ', '|');
        notes.push_back(std::move(choices));
    }
    if (!flag.standard.empty()) notes.push_back(fmt::format("default {}", flag.standard));
    for (std::size_t i = 0; i < notes.size(); ++i) {
        out += i == 0 ? " (" : ", ";
        out += notes[i];
    }
    if (!notes.empty()) out += ')';
    return out;
}

// `text` broken at blanks, so that each line ends before the last column.
void add_wrapped(std::string& out, std::string_view text, std::size_t indent) {
    std::size_t column = indent;
    while (!text.empty()) {
        std::string_view word = text.substr(0, text.find(' '));
        text.remove_prefix(std::min(text.size(), word.size() + 1));
        if (column > indent && column + 1 + width_of(word) > columns) {
            out += '\n';
            out.append(indent, ' ');
            column = indent;
        } else if (column > indent) {
            out += ' ';
            ++column;
        }
        out += word;
        column += width_of(word);
    }
    out += '\n';
}

void add_flags(std::string& out, std::span<const Flag> flags) {
    constexpr std::size_t indent = 40;
    for (const Flag& flag : flags) {
        std::string name = "  " + spelled(flag);
        if (width_of(name) + 2 > indent) {
            out += name + '\n' + std::string(indent, ' ');
        } else {
            out += padded(name, indent);
        }
        add_wrapped(out, explained(flag), indent);
    }
}

}  // namespace

std::string help_of(const Command& command) {
    std::string out =
        fmt::format("{}: {}\n\nusage: millrace {}", command.name, command.summary, command.name);
    if (!command.verbs.empty()) out += " VERB";
    for (const Flag& flag : command.flags) {
        if (flag.is_required) out += fmt::format(" --{} {}", flag.name, flag.shown);
    }
    out += fmt::format(" [FLAG…]\n       {} and {}.sh, linked to millrace, are the same\n",
                       command.kafka_name, command.kafka_name);
    for (const Verb& verb : command.verbs) {
        out += fmt::format("\n{} {}: {}\n", command.name, verb.name, verb.summary);
        add_flags(out, verb.flags);
    }
    out += '\n';
    add_flags(out, command.flags);
    add_flags(out, common_flags());
    return out;
}

std::string overview(std::span<const Outsider> outsiders) {
    std::string out =
        "millrace: Apache Kafka's broker, controller and tools in one program\n\n"
        "usage: millrace COMMAND [FLAG…]     millrace COMMAND --help tells its flags\n\n";
    auto add = [&](std::string_view name, std::string_view summary) {
        out += fmt::format("  {:<22}{}\n", name, summary);
    };
    for (const Outsider& outsider : outsiders) add(outsider.name, outsider.summary);
    if (!outsiders.empty()) out += '\n';
    for (const Command* command : commands()) add(command->name, command->summary);
    out += '\n';
    add("completion SHELL", "print what makes bash, zsh or fish complete commands and flags");
    add("links DIRECTORY", "make links with Kafka's names (kafka-topics, kafka-topics.sh) there");
    return out;
}

std::string version() { return "4.3.1 (Millrace " MILLRACE_VERSION ")"; }

}  // namespace millrace::cli
