#include "cli/completion.h"

#include <fmt/format.h>
#include <vector>

#include "cli/command.h"

namespace millrace::cli {

namespace {

// In single quotes, as every shell reads them.
std::string quoted(std::string_view text) {
    std::string out = "'";
    for (char c : text) {
        if (c == '\'') {
            out += "'\\''";
        } else {
            out += c;
        }
    }
    return out + "'";
}

// The flags of a command and of all its verbs, each once, with those of every tool.
std::vector<Flag> flags_of(const Command& command) {
    std::vector<Flag> all;
    auto add = [&](std::span<const Flag> flags) {
        for (const Flag& flag : flags) {
            bool known = false;
            for (const Flag& one : all) known = known || one.name == flag.name;
            if (!known) all.push_back(flag);
        }
    };
    add(command.flags);
    for (const Verb& verb : command.verbs) add(verb.flags);
    add(common_flags());
    return all;
}

std::string command_names(std::span<const Outsider> outsiders) {
    std::string names;
    for (const Outsider& outsider : outsiders) names += fmt::format("{} ", outsider.name);
    for (const Command* command : commands()) names += fmt::format("{} ", command->name);
    return names + "completion links";
}

// A case for what may follow each flag that takes a value, and one for the rest: the flags.
std::string cases_of(const Command& command) {
    std::string flags;
    std::string cases;
    for (const Verb& verb : command.verbs) flags += fmt::format("{} ", verb.name);
    for (const Flag& flag : flags_of(command)) {
        flags += fmt::format("--{} ", flag.name);
        if (flag.takes == Flag::Takes::nothing) continue;
        std::string values = flag.completes == Flag::Completes::files ? "@files" : "@none";
        if (!flag.one_of.empty()) values = flag.one_of;
        cases +=
            fmt::format("    {}/--{}) candidates={} ;;\n", command.name, flag.name, quoted(values));
    }
    flags.pop_back();
    return fmt::format("{}    {}/*) candidates={} ;;\n", cases, command.name, quoted(flags));
}

// For bash and zsh: what may follow the word $2 of the tool $1, and the tool that a link is.
std::string lookup_functions(std::span<const Outsider> outsiders) {
    std::string out = "_millrace_candidates() {\n  candidates=\n  case \"$1/$2\" in\n";
    for (const Command* command : commands()) out += cases_of(*command);
    out += "    completion/*) candidates='bash zsh fish' ;;\n";
    out += "    links/*) candidates=@files ;;\n";
    out += fmt::format("    /*) candidates={} ;;\n  esac\n}}\n", quoted(command_names(outsiders)));
    out += "_millrace_tool_of() {\n  tool=\n  case \"$1\" in\n";
    for (const Command* command : commands()) {
        out += fmt::format("    {}|{}.sh) tool={} ;;\n", command->kafka_name, command->kafka_name,
                           command->name);
    }
    return out + "  esac\n}\n";
}

std::string link_words() {
    std::string out;
    for (const Command* command : commands()) {
        out += fmt::format(" {} {}.sh", command->kafka_name, command->kafka_name);
    }
    return out;
}

std::string bash(std::span<const Outsider> outsiders) {
    return lookup_functions(outsiders) + R"sh(_millrace() {
  local candidates tool current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
  _millrace_tool_of "${COMP_WORDS[0]##*/}"
  if [ -z "$tool" ]; then
    if [ "$COMP_CWORD" -gt 1 ]; then tool=${COMP_WORDS[1]}; else previous=; fi
  fi
  _millrace_candidates "$tool" "$previous"
  case $candidates in
    @files) COMPREPLY=($(compgen -f -- "$current")) ;;
    @none) COMPREPLY=() ;;
    *) COMPREPLY=($(compgen -W "$candidates" -- "$current")) ;;
  esac
}
)sh" + fmt::format("complete -F _millrace millrace{}\n", link_words());
}

std::string zsh(std::span<const Outsider> outsiders) {
    return fmt::format("#compdef millrace{}\n", link_words()) + lookup_functions(outsiders) +
           R"sh(_millrace() {
  local candidates tool previous=${words[CURRENT-1]}
  _millrace_tool_of "${words[1]:t}"
  if [[ -z $tool ]]; then
    if (( CURRENT > 2 )); then tool=${words[2]}; else previous=; fi
  fi
  _millrace_candidates "$tool" "$previous"
  case $candidates in
    @files) _files ;;
    @none) ;;
    *) compadd -- ${=candidates} ;;
  esac
}
# Sourced, or loaded by its name from $fpath.
if [[ $funcstack[1] == _millrace ]]; then _millrace "$@"; else
)sh" + fmt::format("  compdef _millrace millrace{}\nfi\n", link_words());
}

std::string fish(std::span<const Outsider> outsiders) {
    std::string out = "complete -c millrace -f\n";
    auto add_command = [&](std::string_view name, std::string_view summary) {
        out += fmt::format("complete -c millrace -n __fish_use_subcommand -a {} -d {}\n", name,
                           quoted(summary));
    };
    for (const Outsider& outsider : outsiders) add_command(outsider.name, outsider.summary);
    for (const Command* command : commands()) add_command(command->name, command->summary);
    add_command("completion", "print a shell's completion script");
    add_command("links", "make links with Kafka's names");
    out += "complete -c millrace -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'\n";
    out += "complete -c millrace -n '__fish_seen_subcommand_from links' -F\n";
    auto add_flags = [&](std::string_view who, const Command& command) {
        for (const Verb& verb : command.verbs) {
            out +=
                fmt::format("complete {} -f -a {} -d {}\n", who, verb.name, quoted(verb.summary));
        }
        for (const Flag& flag : flags_of(command)) {
            bool files = flag.completes == Flag::Completes::files;
            out += fmt::format("complete {} {} -l {} -d {}", who, files ? "-F" : "-f", flag.name,
                               quoted(flag.summary));
            if (flag.short_name != 0) out += fmt::format(" -s {}", flag.short_name);
            if (flag.takes == Flag::Takes::value) out += " -r";
            if (!flag.one_of.empty()) out += fmt::format(" -a {}", quoted(flag.one_of));
            out += '\n';
        }
    };
    for (const Command* command : commands()) {
        add_flags(fmt::format("-c millrace -n '__fish_seen_subcommand_from {}'", command->name),
                  *command);
        add_flags(fmt::format("-c {}", command->kafka_name), *command);
        out += fmt::format("complete -c {}.sh -w {}\n", command->kafka_name, command->kafka_name);
    }
    return out;
}

}  // namespace

std::optional<std::string> completion_script(std::string_view shell,
                                             std::span<const Outsider> outsiders) {
    if (shell == "bash") return bash(outsiders);
    if (shell == "zsh") return zsh(outsiders);
    if (shell == "fish") return fish(outsiders);
    return std::nullopt;
}

}  // namespace millrace::cli
