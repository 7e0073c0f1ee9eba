#include "cli/arguments.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <limits>

#include "base/check.h"
#include "cli/command.h"
#include "cli/nearest.h"

namespace millrace::cli {

namespace {

constexpr Flag of_every_tool[] = {
    on_off("help", "say this").letter('h'),
    on_off("version", "say the version"),
    value("format", "FORMAT", "text as Kafka's tool prints it, or JSON for programs")
        .choices("text json")
        .otherwise("text"),
};

const Flag* find(std::span<const Flag> flags, std::string_view name) {
    auto at = std::ranges::find(flags, name, &Flag::name);
    return at == flags.end() ? nullptr : &*at;
}
const Flag* find_letter(std::span<const Flag> flags, char letter) {
    auto at = std::ranges::find(flags, letter, &Flag::short_name);
    return at == flags.end() ? nullptr : &*at;
}

bool equal_in_any_case(std::string_view a, std::string_view b) {
    auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return std::ranges::equal(a, b, {}, lower, lower);
}

std::string joined(std::initializer_list<std::string_view> flags) {
    std::string out;
    for (std::string_view flag : flags) {
        if (!out.empty()) out += ", ";
        out += "--";
        out += flag;
    }
    return out;
}

}  // namespace

std::span<const Flag> common_flags() { return of_every_tool; }

std::unexpected<Error> misuse(std::string sentence) {
    return millrace::fail(ErrorCode::invalid_request, std::move(sentence));
}

std::optional<std::int64_t> parse_number(std::string_view text) {
    std::int64_t number = 0;
    if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

std::optional<std::int32_t> parse_int32(std::string_view text) {
    auto number = parse_number(text);
    if (!number || *number < std::numeric_limits<std::int32_t>::min() ||
        *number > std::numeric_limits<std::int32_t>::max()) {
        return std::nullopt;
    }
    return static_cast<std::int32_t>(*number);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> pieces;
    while (!text.empty()) {
        std::size_t at = text.find(separator);
        pieces.push_back(text.substr(0, at));
        text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
    }
    return pieces;
}

// Goes over the words once; a verb can be met anywhere, and brings its flags with it.
class Arguments::Parser {
  public:
    Parser(Arguments& into, std::span<const std::string> words) : into_(into), words_(words) {}

    Result<> run() {
        find_verb();
        while (next_ < words_.size()) {
            const std::string& word = words_[next_++];
            if (is_flag(word)) {
                RETURN_IF_ERROR(take_flag(word));
            } else if (next_ - 1 != verb_at_) {
                return misuse(fmt::format("'{}' is no flag, and {} takes nothing else", word,
                                          into_.command().name));
            }
        }
        return {};
    }

  private:
    static constexpr std::size_t none = std::numeric_limits<std::size_t>::max();
    static bool is_flag(std::string_view word) { return word.size() > 1 && word[0] == '-'; }

    const Flag* by_name(std::string_view name) const { return into_.declared(name); }
    const Flag* by_letter(char letter) const {
        if (const Flag* flag = find_letter(into_.command().flags, letter)) return flag;
        if (const Verb* verb = current_verb()) {
            if (const Flag* flag = find_letter(verb->flags, letter)) return flag;
        }
        return find_letter(common_flags(), letter);
    }
    const Verb* current_verb() const {
        auto verbs = into_.command().verbs;
        auto at = std::ranges::find(verbs, into_.verb_, &Verb::name);
        return at == verbs.end() ? nullptr : &*at;
    }

    // The first word that is a verb's name and no value of a flag that stands before it.
    void find_verb() {
        for (std::size_t i = 0; i < words_.size(); ++i) {
            if (is_flag(words_[i])) {
                auto [name, assigned] = name_of(words_[i]);
                const Flag* flag = into_.declared(name);
                if (flag == nullptr && name.size() == 1) flag = by_letter(name[0]);
                if (flag != nullptr && flag->takes == Flag::Takes::value && !assigned) ++i;
                continue;
            }
            for (const Verb& verb : into_.command().verbs) {
                if (verb.name == words_[i]) {
                    into_.verb_ = verb.name;
                    verb_at_ = i;
                    return;
                }
            }
        }
    }

    struct Name {
        std::string_view name;
        std::optional<std::string_view> assigned;
    };
    static Name name_of(std::string_view word) {
        word.remove_prefix(word.starts_with("--") ? 2 : 1);
        std::size_t equals = word.find('=');
        if (equals == std::string_view::npos) return {word, std::nullopt};
        return {word.substr(0, equals), word.substr(equals + 1)};
    }

    Result<> take_flag(std::string_view word) {
        auto [name, assigned] = name_of(word);
        const Flag* flag = by_name(name);
        if (flag == nullptr && !word.starts_with("--") && name.size() == 1) {
            flag = by_letter(name[0]);
        }
        if (flag == nullptr) return unknown(word);
        if (!flag->may_repeat && into_.has(flag->name)) {
            return misuse(fmt::format("--{} is given more than once", flag->name));
        }
        if (flag->takes == Flag::Takes::nothing) {
            if (assigned) return misuse(fmt::format("--{} takes no value", flag->name));
            into_.given_.push_back({flag, {}, false});
            return {};
        }
        if (!assigned && next_ < words_.size() &&
            (flag->takes == Flag::Takes::value || !is_flag(words_[next_]))) {
            assigned = words_[next_++];
        }
        if (!assigned && flag->takes == Flag::Takes::value) {
            return misuse(fmt::format("--{} needs a value: {}", flag->name, flag->summary));
        }
        if (assigned) RETURN_IF_ERROR(check_value(*flag, *assigned));
        into_.given_.push_back({flag, std::string(assigned.value_or("")), assigned.has_value()});
        while (flag->takes_several && next_ < words_.size() && !is_flag(words_[next_])) {
            RETURN_IF_ERROR(check_value(*flag, words_[next_]));
            into_.given_.push_back({flag, words_[next_++], true});
        }
        return {};
    }

    static Result<> check_value(const Flag& flag, std::string_view text) {
        if (flag.type == Flag::Type::int32 && !parse_int32(text)) {
            return misuse(
                fmt::format("--{}: '{}' is not a whole number of 32 bits", flag.name, text));
        }
        if (flag.type == Flag::Type::int64 && !parse_number(text)) {
            return misuse(fmt::format("--{}: '{}' is not a whole number", flag.name, text));
        }
        if (flag.one_of.empty()) return {};
        auto choices = split(flag.one_of, ' ');
        bool is_choice = std::ranges::any_of(
            choices, [&](std::string_view choice) { return equal_in_any_case(choice, text); });
        if (is_choice) return {};
        return misuse(
            fmt::format("--{}: '{}' is none of {}", flag.name, text, fmt::join(choices, ", ")));
    }

    std::unexpected<Error> unknown(std::string_view word) const {
        std::vector<std::string_view> names;
        auto add = [&](std::span<const Flag> flags) {
            for (const Flag& flag : flags) names.push_back(flag.name);
        };
        add(into_.command().flags);
        if (const Verb* verb = current_verb()) add(verb->flags);
        add(common_flags());
        std::string tool(into_.command().name);
        if (!into_.verb_.empty()) tool += fmt::format(" {}", into_.verb_);
        auto nearest = nearest_of(name_of(word).name, names);
        if (!nearest) return misuse(fmt::format("{} has no flag {}", tool, word));
        return misuse(fmt::format("{} has no flag {}: did you mean --{}?", tool, word, *nearest));
    }

    Arguments& into_;
    std::span<const std::string> words_;
    std::size_t next_ = 0;
    std::size_t verb_at_ = none;
};

Result<Arguments> Arguments::parse(const Command& command, std::span<const std::string> words) {
    Arguments arguments(command);
    RETURN_IF_ERROR(Parser(arguments, words).run());
    if (arguments.wants_help() || arguments.wants_version()) return arguments;
    if (!command.verbs.empty() && arguments.verb_.empty()) {
        std::string verbs;
        for (const Verb& verb : command.verbs) {
            if (!verbs.empty()) verbs += ", ";
            verbs += verb.name;
        }
        return misuse(fmt::format("say what {} shall do: {}", command.name, verbs));
    }
    RETURN_IF_ERROR(arguments.check_required());
    return arguments;
}

Result<> Arguments::check_required() const {
    auto check = [&](std::span<const Flag> flags) -> Result<> {
        for (const Flag& flag : flags) {
            if (flag.is_required && !has(flag.name)) {
                return misuse(fmt::format("--{} is missing: {}", flag.name, flag.summary));
            }
        }
        return {};
    };
    RETURN_IF_ERROR(check(command_->flags));
    for (const Verb& verb : command_->verbs) {
        if (verb.name == verb_) RETURN_IF_ERROR(check(verb.flags));
    }
    return {};
}

const Flag* Arguments::declared(std::string_view name) const {
    if (const Flag* flag = find(command_->flags, name)) return flag;
    for (const Verb& verb : command_->verbs) {
        if (verb.name != verb_) continue;
        if (const Flag* flag = find(verb.flags, name)) return flag;
    }
    return find(common_flags(), name);
}

const Arguments::Given* Arguments::last(std::string_view name) const {
    for (std::size_t i = given_.size(); i > 0; --i) {
        if (given_[i - 1].flag->name == name) return &given_[i - 1];
    }
    return nullptr;
}

bool Arguments::has(std::string_view flag) const {
    CHECK(declared(flag) != nullptr);
    return last(flag) != nullptr;
}

std::optional<std::string_view> Arguments::given(std::string_view flag) const {
    CHECK(declared(flag) != nullptr);
    const Given* found = last(flag);
    if (found == nullptr || !found->has_value) return std::nullopt;
    return found->value;
}

std::string_view Arguments::text(std::string_view flag) const {
    const Flag* declaration = declared(flag);
    CHECK(declaration != nullptr);
    return given(flag).value_or(declaration->standard);
}

std::vector<std::string> Arguments::all(std::string_view flag) const {
    CHECK(declared(flag) != nullptr);
    std::vector<std::string> values;
    for (const Given& one : given_) {
        if (one.flag->name == flag && one.has_value) values.push_back(one.value);
    }
    return values;
}

std::optional<std::int64_t> Arguments::number(std::string_view flag) const {
    std::string_view found = text(flag);
    return found.empty() ? std::nullopt : parse_number(found);
}

Result<> Arguments::exactly_one(std::initializer_list<std::string_view> flags) const {
    auto count = std::ranges::count_if(flags, [&](std::string_view flag) { return has(flag); });
    if (count == 1) return {};
    return misuse(fmt::format("exactly one of {} has to be given", joined(flags)));
}

Result<> Arguments::required(std::initializer_list<std::string_view> flags) const {
    for (std::string_view flag : flags) {
        if (!has(flag)) {
            return misuse(fmt::format("--{} is missing: {}", flag, declared(flag)->summary));
        }
    }
    return {};
}

Result<> Arguments::alone(std::string_view flag,
                          std::initializer_list<std::string_view> others) const {
    if (!has(flag)) return {};
    for (std::string_view other : others) {
        if (other != flag && has(other)) {
            return misuse(fmt::format("--{} cannot be used together with --{}", flag, other));
        }
    }
    return {};
}

Result<> Arguments::only_with(std::string_view flag,
                              std::initializer_list<std::string_view> others) const {
    if (!has(flag)) return {};
    for (std::string_view other : others) {
        if (has(other)) return {};
    }
    return misuse(fmt::format("--{} is of use only with {}", flag, joined(others)));
}

}  // namespace millrace::cli
