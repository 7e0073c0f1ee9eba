#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/flag.h"

namespace millrace::cli {

struct Command;

// What a command line says, checked against the tool's declaration. Asking for a flag that the
// tool does not declare is a bug.
class Arguments {
  public:
    // Kafka's habits: --flag VALUE, --flag=VALUE, -flag, short letters; a required value is taken
    // as it stands, an optional one unless it looks like a flag; what has verbs takes the verb
    // anywhere. Errors are one sentence that names the flag.
    static Result<Arguments> parse(const Command& command, std::span<const std::string> words);

    const Command& command() const { return *command_; }
    std::string_view verb() const { return verb_; }  // empty: the tool has none

    bool has(std::string_view flag) const;
    // The value; the declared default, or nothing, when it was not given.
    std::string_view text(std::string_view flag) const;
    std::optional<std::string_view> given(std::string_view flag) const;
    std::vector<std::string> all(std::string_view flag) const;
    std::optional<std::int64_t> number(std::string_view flag) const;

    // The flags in the order in which they were given.
    struct Given {
        const Flag* flag;
        std::string value;
        bool has_value = false;
    };
    std::span<const Given> in_order() const { return given_; }

    bool wants_help() const { return has("help"); }
    bool wants_version() const { return has("version"); }
    bool as_json() const { return text("format") == "json"; }

    // Rules between flags, as sentences.
    Result<> exactly_one(std::initializer_list<std::string_view> flags) const;
    Result<> required(std::initializer_list<std::string_view> flags) const;
    // When `flag` is given, none of the others may be.
    Result<> alone(std::string_view flag, std::initializer_list<std::string_view> others) const;
    // When `flag` is given, one of the others has to be.
    Result<> only_with(std::string_view flag, std::initializer_list<std::string_view> others) const;

  private:
    class Parser;
    explicit Arguments(const Command& command) : command_(&command) {}
    const Flag* declared(std::string_view flag) const;
    const Given* last(std::string_view flag) const;
    Result<> check_required() const;

    const Command* command_;
    std::string_view verb_;
    std::vector<Given> given_;
};

// A whole number of the flag's size in text; nothing when it is none.
std::optional<std::int64_t> parse_number(std::string_view text);
std::optional<std::int32_t> parse_int32(std::string_view text);
// The pieces between separators; an empty text has none.
std::vector<std::string_view> split(std::string_view text, char separator);

// A sentence about the command line; the tool adds where its help is.
std::unexpected<Error> misuse(std::string sentence);

}  // namespace millrace::cli
