#include "server/shell.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>
#include <limits>
#include <utility>

#include "server/shell_words.h"

namespace millrace::server {

struct Shell::Verb {
    std::string_view name;
    std::string_view summary;
    std::string_view argument;  // its name; "" where there is none
    std::string_view argument_summary;
    std::size_t least = 0;
    std::size_t most = 0;
    bool always = false;  // not only in a conversation
    bool (Shell::*run)(Words) = nullptr;
    bool reads_tree = false;
};

namespace {

constexpr std::size_t any_number = std::numeric_limits<std::size_t>::max();
constexpr std::size_t summary_column = 25;
constexpr std::size_t indentation = 2;

std::string row(std::string_view indent, std::string_view name, std::string_view summary) {
    std::string line = fmt::format("{}{}", indent, name);
    line.resize(std::max(line.size() + 1, summary_column), ' ');
    return fmt::format("{}{}\n", line, summary);
}

}  // namespace

std::span<const Shell::Verb> Shell::verbs() {
    static constexpr std::array<Verb, 10> all{{
        {"cat", "Show the contents of metadata files.", "targets", "The metadata files to display.",
         1, any_number, true, &Shell::cat, true},
        {"cd", "Set the current working directory.", "target", "The directory to change to.", 0, 1,
         false, &Shell::cd, true},
        {"exit", "Exit the metadata shell.", "", "", 0, 0, false, &Shell::exit},
        {"find", "Search for nodes in the directory hierarchy.", "paths", "The paths to start at.",
         0, any_number, true, &Shell::find, true},
        {"help", "Display this help message.", "", "", 0, 0, false, &Shell::help},
        {"history", "Print command history.", "numEntriesToShow", "The number of entries to show.",
         0, 1, false, &Shell::history},
        {"ls", "List metadata nodes.", "targets", "The metadata node paths to list.", 0, any_number,
         true, &Shell::ls, true},
        {"man", "Show the help text for a specific command.", "cmd",
         "The command to get help text for.", 1, 1, false, &Shell::man},
        {"pwd", "Print the current working directory.", "", "", 0, 0, false, &Shell::pwd},
        {"tree", "Show the contents of metadata nodes in a tree structure.", "targets",
         "The metadata nodes to display.", 1, any_number, true, &Shell::tree, true},
    }};
    return all;
}

const Shell::Verb* Shell::find_verb(std::string_view name) {
    auto at = std::ranges::find(verbs(), name, &Verb::name);
    return at == verbs().end() ? nullptr : &*at;
}

bool Shell::offers(const Verb& verb) const { return verb.always || mode_ == Mode::conversation; }

std::string Shell::choices() const {
    std::string text;
    for (const Verb& verb : verbs()) {
        if (offers(verb)) text += fmt::format("{}'{}'", text.empty() ? "" : ", ", verb.name);
    }
    return text;
}

std::string Shell::synopsis(const Verb& verb) {
    if (verb.argument.empty()) return std::string(verb.name);
    std::string argument(verb.argument);
    if (verb.most == any_number) argument += fmt::format(" [{} ...]", verb.argument);
    if (verb.least == 0) argument = fmt::format("[{}]", argument);
    return fmt::format("{} {}", verb.name, argument);
}

std::string Shell::arguments_text(const Verb& verb) {
    if (verb.argument.empty()) return {};
    return "\npositional arguments:\n" + row("  ", verb.argument, verb.argument_summary);
}

bool Shell::say(const std::string& line, bool succeeded) {
    sink_.out(line + "\n");
    return succeeded;
}

bool Shell::check(const Verb& verb, Words words) {
    auto is_flag = [](const std::string& word) { return word.size() > 1 && word[0] == '-'; };
    if (auto flag = std::ranges::find_if(words, is_flag); flag != words.end()) {
        if (*flag != "-h" && *flag != "--help")
            return say(fmt::format("unrecognized arguments: '{}'", *flag), false);
        sink_.out(fmt::format("usage: {}\n{}", synopsis(verb), arguments_text(verb)));
        return false;
    }
    if (words.size() < verb.least) return say("too few arguments", false);
    if (words.size() > verb.most)
        return say(fmt::format("unrecognized arguments: '{}'", words[verb.most]), false);
    return true;
}

bool Shell::run(Words words) {
    if (words.empty()) return true;
    const Verb* verb = find_verb(words[0]);
    if (verb == nullptr || !offers(*verb)) {
        return say(fmt::format("invalid choice: '{}' (choose from {})", words[0], choices()),
                   false);
    }
    Words arguments = words.subspan(1);
    bool asks = std::ranges::any_of(
        arguments, [](const std::string& word) { return word == "-h" || word == "--help"; });
    if (!check(*verb, arguments)) return asks;
    return (this->*verb->run)(arguments);
}

bool Shell::run_line(std::string_view line) {
    std::vector<std::string> words = split_words(line);
    if (words.empty()) return true;
    std::size_t first = line.find_first_not_of(" \t");
    std::size_t last = line.find_last_not_of(" \t\r\n");
    history_.emplace_back(line.substr(first, last - first + 1));
    return run(words);
}

bool Shell::reads_tree(std::string_view line) {
    std::vector<std::string> words = split_words(line);
    const Verb* verb = words.empty() ? nullptr : find_verb(words[0]);
    return verb != nullptr && verb->reads_tree;
}

std::vector<FoundNode> Shell::nodes_of(const std::string& path) const {
    return find_nodes(root_, absolute(folder_, path));
}

bool Shell::cat(Words paths) {
    bool all = true;
    for (const std::string& path : paths) {
        std::vector<FoundNode> found = nodes_of(path);
        if (found.empty())
            all = say(fmt::format("cat: {}: No such file or directory.", path), false);
        for (const FoundNode& each : found) {
            if (each.node.is_folder()) {
                all = say(fmt::format("cat: {}: Is a directory", path), false);
            } else {
                say(each.node.text());
            }
        }
    }
    return all;
}

bool Shell::cd(Words paths) {
    std::string path = paths.empty() ? "/" : paths[0];
    std::vector<FoundNode> found = nodes_of(path);
    if (found.empty()) return say(fmt::format("cd: {}: no such directory.", path), false);
    if (!found[0].node.is_folder())
        return say(fmt::format("cd: {}: not a directory.", path), false);
    folder_ = found[0].whole_path();
    return true;
}

bool Shell::exit(Words) {
    ended_ = true;
    return true;
}

void Shell::print_paths(const metadata::TreeNode& node, const std::string& path) {
    say(path);
    if (!node.is_folder()) return;
    for (const metadata::TreeEntry& entry : node.entries())
        print_paths(entry.node, path + (path.ends_with('/') ? "" : "/") + entry.name);
}

bool Shell::find(Words paths) {
    static const std::vector<std::string> here{"."};
    bool all = true;
    for (const std::string& path : paths.empty() ? Words(here) : paths) {
        std::vector<FoundNode> found = nodes_of(path);
        if (found.empty())
            all = say(fmt::format("find: {}: no such file or directory.", path), false);
        for (const FoundNode& each : found) print_paths(each.node, path);
    }
    return all;
}

bool Shell::help(Words) {
    std::string names;
    for (const Verb& verb : verbs())
        names += fmt::format("{}{}", names.empty() ? "" : ",", verb.name);
    std::string text = fmt::format(
        "Welcome to the Apache Kafka metadata shell.\n\nusage:  {{{0}}} ...\n\n"
        "positional arguments:\n  {{{0}}}\n",
        names);
    for (const Verb& verb : verbs()) text += row("    ", verb.name, verb.summary);
    sink_.out(text);
    return true;
}

bool Shell::history(Words words) {
    std::size_t wanted = history_.size();
    if (!words.empty()) {
        std::int32_t number = 0;
        const std::string& word = words[0];
        auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
        if (error != std::errc() || end != word.data() + word.size()) {
            return say(fmt::format("argument numEntriesToShow: could not convert '{0}' to Integer "
                                   "(For input string: \"{0}\")",
                                   word),
                       false);
        }
        wanted = std::min(wanted, static_cast<std::size_t>(std::max(number, 0)));
    }
    for (std::size_t i = history_.size() - wanted; i < history_.size(); ++i)
        say(fmt::format("{:5}  {}", i, history_[i]));
    return true;
}

bool Shell::ls(Words paths) {
    static const std::vector<std::string> here{"."};
    bool all = true;
    std::vector<std::string> leaves;
    std::vector<FoundNode> folders;
    for (const std::string& path : paths.empty() ? Words(here) : paths) {
        std::vector<FoundNode> found = nodes_of(path);
        if (found.empty())
            all = say(fmt::format("ls: {}: no such file or directory.", path), false);
        for (FoundNode& each : found) {
            if (each.node.is_folder()) {
                folders.push_back(std::move(each));
            } else {
                leaves.push_back(each.name());
            }
        }
    }
    for (const std::string& name : leaves) say(name);
    bool first = leaves.empty();
    bool titled = !first || folders.size() > 1;
    for (const FoundNode& each : folders) {
        std::vector<metadata::TreeEntry> entries = each.node.entries();
        if (titled && !entries.empty()) say(fmt::format("{}{}:", first ? "" : "\n", each.name()));
        first = false;
        for (const metadata::TreeEntry& entry : entries) say(entry.name);
    }
    return all;
}

bool Shell::man(Words words) {
    const Verb* verb = find_verb(words[0]);
    if (verb == nullptr) {
        return say(
            fmt::format("man: unknown command {}. Type help to get a list of commands.", words[0]),
            false);
    }
    sink_.out(fmt::format("{}: {}\n\nusage: {}\n{}", verb->name, verb->summary, synopsis(*verb),
                          arguments_text(*verb)));
    return true;
}

bool Shell::pwd(Words) { return say(folder_); }

void Shell::print_tree(const metadata::TreeNode& node, std::size_t depth) {
    std::string indent(indentation * depth, ' ');
    if (!node.is_folder()) {
        say(indent + node.text());
        return;
    }
    for (const metadata::TreeEntry& entry : node.entries()) {
        say(fmt::format("{}{}:", indent, entry.name));
        print_tree(entry.node, depth + 1);
    }
}

bool Shell::tree(Words paths) {
    bool all = true;
    for (const std::string& path : paths) {
        std::vector<FoundNode> found = nodes_of(path);
        if (found.empty())
            all = say(fmt::format("tree: {}: No such file or directory.", path), false);
        for (const FoundNode& each : found) print_tree(each.node, 0);
    }
    return all;
}

}  // namespace millrace::server
