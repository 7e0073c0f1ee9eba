#pragma once

#include <span>
#include <string_view>

namespace millrace::cli {

// One flag of a tool, declared once: parsing, help, completion and the tests read it. Made by
// on_off(), value() or maybe_value(), and refined by the chained functions.
struct Flag {
    enum class Takes { nothing, value, maybe_value };
    enum class Type { text, int32, int64 };
    // What a shell completes the value with, when not with choices.
    enum class Completes { nothing, files };

    std::string_view name;  // without the dashes
    Takes takes = Takes::nothing;
    std::string_view shown;  // the value's name in help: HOSTS, FILE, N
    std::string_view summary;
    Type type = Type::text;
    std::string_view standard = {};  // when the flag is not given
    std::string_view one_of = {};    // choices, with blanks between
    Completes completes = Completes::nothing;
    char short_name = 0;
    bool is_required = false;
    bool may_repeat = false;
    bool takes_several = false;  // values up to the next flag
    bool is_deprecated = false;

    constexpr Flag required() const {
        Flag copy = *this;
        copy.is_required = true;
        return copy;
    }
    constexpr Flag repeated() const {
        Flag copy = *this;
        copy.may_repeat = true;
        return copy;
    }
    constexpr Flag several() const {
        Flag copy = repeated();
        copy.takes_several = true;
        return copy;
    }
    constexpr Flag deprecated() const {
        Flag copy = *this;
        copy.is_deprecated = true;
        return copy;
    }
    constexpr Flag otherwise(std::string_view text) const {
        Flag copy = *this;
        copy.standard = text;
        return copy;
    }
    constexpr Flag choices(std::string_view words) const {
        Flag copy = *this;
        copy.one_of = words;
        return copy;
    }
    constexpr Flag letter(char c) const {
        Flag copy = *this;
        copy.short_name = c;
        return copy;
    }
    constexpr Flag int32() const {
        Flag copy = *this;
        copy.type = Type::int32;
        return copy;
    }
    constexpr Flag int64() const {
        Flag copy = *this;
        copy.type = Type::int64;
        return copy;
    }
    constexpr Flag file() const {
        Flag copy = *this;
        copy.completes = Completes::files;
        return copy;
    }
};

constexpr Flag on_off(std::string_view name, std::string_view summary) {
    return {.name = name, .summary = summary};
}
constexpr Flag value(std::string_view name, std::string_view shown, std::string_view summary) {
    return {.name = name, .takes = Flag::Takes::value, .shown = shown, .summary = summary};
}
constexpr Flag maybe_value(std::string_view name, std::string_view shown,
                           std::string_view summary) {
    return {.name = name, .takes = Flag::Takes::maybe_value, .shown = shown, .summary = summary};
}

// What nearly every tool declares.
constexpr Flag bootstrap_server() {
    return value("bootstrap-server", "HOST:PORT,…", "brokers to connect to");
}
constexpr Flag bootstrap_controller() {
    return value("bootstrap-controller", "HOST:PORT,…", "controllers to connect to");
}
constexpr Flag command_config() {
    return value("command-config", "FILE", "properties of the client").file();
}

// Flags of every tool: --help (also -h), --version, --format.
std::span<const Flag> common_flags();

}  // namespace millrace::cli
