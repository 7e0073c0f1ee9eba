#include "config/value.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <limits>

#include "base/check.h"
#include "config/endpoints.h"
#include "config/text.h"

namespace millrace::config {
namespace {

constexpr std::string_view client_match_keys[] = {
    "client_instance_id",    "client_id",         "client_software_name", "client_software_version",
    "client_source_address", "client_source_port"};

std::unexpected<Error> wrong(const Definition& definition, std::string_view text,
                             std::string_view what) {
    constexpr std::size_t most_shown = 200;  // clients send texts of any size
    std::string_view shown = text.substr(0, most_shown);
    std::string_view rest = shown.size() < text.size() ? "..." : "";
    return fail(ErrorCode::invalid_config,
                fmt::format("{}={}{}: {}; it takes {}", definition.name, shown, rest,
                            what.substr(0, most_shown), allowed(definition)));
}

template <typename T>
Result<Value> parse_integer(const Definition& definition, std::string_view text) {
    std::string_view digits = text.starts_with('+') ? text.substr(1) : text;
    T number = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc() || end != digits.data() + digits.size() ||
        (digits.size() < text.size() && digits.starts_with('-'))) {
        return wrong(definition, text, "no such number");
    }
    return Value(static_cast<std::int64_t>(number));
}

Result<Value> parse_double(const Definition& definition, std::string_view text) {
    std::string_view digits = text.starts_with('+') ? text.substr(1) : text;
    double number = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc() || end != digits.data() + digits.size()) {
        return wrong(definition, text, "no such number");
    }
    return Value(number);
}

Result<Value> parse_by_type(const Definition& definition, std::string_view text) {
    switch (definition.type) {
        case Type::boolean:
            if (equal_ignoring_case(text, "true")) return Value(true);
            if (equal_ignoring_case(text, "false")) return Value(false);
            return wrong(definition, text, "neither true nor false");
        case Type::int16:
            return parse_integer<std::int16_t>(definition, text);
        case Type::int32:
            return parse_integer<std::int32_t>(definition, text);
        case Type::int64:
            return parse_integer<std::int64_t>(definition, text);
        case Type::float64:
            return parse_double(definition, text);
        case Type::list:
            return Value(split_list(text));
        default:
            return Value(std::string(text));
    }
}

bool is_one_of(const Valid& valid, std::string_view word) {
    return std::ranges::any_of(valid.choices, [&](std::string_view choice) {
        return valid.any_case ? equal_ignoring_case(choice, word) : choice == word;
    });
}

bool in_range(const Valid& valid, const Value& value) {
    const auto* whole = std::get_if<std::int64_t>(&value);
    if (whole != nullptr && valid.or_minus_one && *whole == -1) return true;
    // Every bound of schema/config is exact in a double, so that rounding the number is harmless.
    double number = whole != nullptr ? static_cast<double>(*whole) : *std::get_if<double>(&value);
    return number >= valid.low && number <= valid.high;
}

// What is wrong with the list; "" when nothing is.
std::string flaw_of_set(const Valid& valid, const std::vector<std::string>& words) {
    if (words.empty()) return valid.not_empty ? "empty" : "";
    for (const std::string& word : words) {
        if (word.empty()) return "a word between commas is empty";
        if (!valid.choices.empty() && !is_one_of(valid, word)) {
            return fmt::format("'{}' is not among the choices", word);
        }
    }
    return "";
}

// Kafka takes a word that is there twice, and goes on with one of it.
void remove_duplicates(std::vector<std::string>& words) {
    std::vector<std::string> once;
    for (std::string& word : words) {
        if (std::ranges::find(once, word) == once.end()) once.push_back(std::move(word));
    }
    words = std::move(once);
}

template <typename Parse>
std::string flaw_of_each(const std::vector<std::string>& words, Parse parse) {
    for (const std::string& word : words) {
        if (auto parsed = parse(word); !parsed) return parsed.error().message;
    }
    return "";
}

bool is_throttled_replica(std::string_view word) {
    std::size_t colon = word.find(':');
    return word.empty() || (colon != std::string_view::npos && is_digits(word.substr(0, colon)) &&
                            is_digits(word.substr(colon + 1)));
}

std::string flaw_of_client_match(const std::vector<std::string>& words) {
    for (const std::string& word : words) {
        std::size_t equals = word.find('=');
        if (equals == std::string::npos || equals + 1 == word.size()) {
            return fmt::format("'{}' is not KEY=REGEX", word);
        }
        std::string_view key = trim(std::string_view(word).substr(0, equals));
        if (std::ranges::find(client_match_keys, key) == std::end(client_match_keys)) {
            return fmt::format("'{}' is no property of a client", key);
        }
        if (word.find('=', equals + 1) != std::string::npos ||
            !is_balanced_regex(std::string_view(word).substr(equals + 1))) {
            return fmt::format("'{}' holds no regular expression", word);
        }
    }
    return "";
}

std::string flaw_of_offset_reset(const Valid& valid, std::string_view text) {
    constexpr std::string_view prefix = "by_duration:";
    if (text == "latest" || text == "earliest") return "";
    if (std::ranges::find(valid.choices, text) != valid.choices.end()) return "";
    if (text.starts_with(prefix) && is_iso_duration(text.substr(prefix.size()))) return "";
    return "not among the choices";
}

std::string flaw_of(const Definition& definition, const Value& value) {
    const Valid& valid = definition.valid;
    const auto* text = std::get_if<std::string>(&value);
    const auto* words = std::get_if<std::vector<std::string>>(&value);
    switch (valid.form) {
        case Form::any:
            return "";
        case Form::range:
            return in_range(valid, value) ? "" : "out of range";
        case Form::one_of:
            return is_one_of(valid, *text) ? "" : "not among the choices";
        case Form::set:
            return flaw_of_set(valid, *words);
        case Form::not_empty:
            return text->empty() ? "empty" : "";
        case Form::voters:
            return flaw_of_each(*words, [](auto& w) { return parse_voter(w); });
        case Form::servers:
            return flaw_of_each(*words, [](auto& w) { return parse_host_port(w); });
        case Form::throttled_replicas:
            return std::ranges::all_of(*words, is_throttled_replica) ||
                           (words->size() == 1 && words->front() == "*")
                       ? ""
                       : "not of this form";
        case Form::offset_reset:
            return flaw_of_offset_reset(valid, *text);
        case Form::client_match:
            return flaw_of_client_match(*words);
    }
    return "";
}

std::string allowed_range(const Valid& valid) {
    std::string out = std::isinf(valid.high) ? fmt::format("{} or more", valid.low)
                                             : fmt::format("{} to {}", valid.low, valid.high);
    return valid.or_minus_one ? out + ", or -1" : out;
}

std::string_view words_of(Type type) {
    switch (type) {
        case Type::boolean:
            return "true or false";
        case Type::int16:
            return "a whole number of 16 bits";
        case Type::int32:
            return "a whole number of 32 bits";
        case Type::int64:
            return "a whole number of 64 bits";
        case Type::float64:
            return "a number";
        case Type::list:
            return "a list separated by commas";
        case Type::class_name:
            return "the name of a class";
        default:
            return "a text";
    }
}

}  // namespace

Result<Value> parse_value(const Definition& definition, std::string_view text) {
    ASSIGN_OR_RETURN(Value value, parse_by_type(definition, trim(text)));
    std::string flaw = flaw_of(definition, value);
    if (!flaw.empty()) return wrong(definition, trim(text), flaw);
    if (definition.valid.form == Form::set) {
        remove_duplicates(*std::get_if<std::vector<std::string>>(&value));
    }
    return value;
}

Value default_value(const Definition& definition) {
    if (!definition.default_text) return {};
    auto value = parse_by_type(definition, *definition.default_text);
    CHECK(value.has_value());  // schema/config holds it
    return *std::move(value);
}

std::optional<std::string> to_text(const Value& value) {
    struct Writer {
        std::optional<std::string> operator()(std::monostate) const { return std::nullopt; }
        std::optional<std::string> operator()(bool b) const { return b ? "true" : "false"; }
        std::optional<std::string> operator()(std::int64_t n) const { return fmt::to_string(n); }
        std::optional<std::string> operator()(double n) const { return to_text(n); }
        std::optional<std::string> operator()(const std::string& text) const { return text; }
        std::optional<std::string> operator()(const std::vector<std::string>& words) const {
            return fmt::format("{}", fmt::join(words, ","));
        }
    };
    return std::visit(Writer{}, value);
}

std::string to_text(double number) {
    if (std::isnan(number)) return "NaN";
    if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
    if (number == 0) return std::signbit(number) ? "-0.0" : "0.0";
    char shortest[32];
    auto [end, error] =
        std::to_chars(shortest, shortest + sizeof shortest, number, std::chars_format::scientific);
    std::string_view text(shortest, static_cast<std::size_t>(end - shortest));
    std::size_t e = text.find('e');
    int exponent = 0;
    std::string_view digits = text.substr(e + 1);
    if (digits.starts_with('+')) digits.remove_prefix(1);
    std::from_chars(digits.data(), digits.data() + digits.size(), exponent);
    if (exponent >= -3 && exponent < 7) {
        std::string plain = fmt::format("{}", number);
        return plain.find('.') == std::string::npos ? plain + ".0" : plain;
    }
    std::string mantissa(text.substr(0, e));
    if (mantissa.find('.') == std::string::npos) mantissa += ".0";
    return fmt::format("{}E{}", mantissa, exponent);
}

std::string allowed(const Definition& definition) {
    const Valid& valid = definition.valid;
    std::string type(words_of(definition.type));
    switch (valid.form) {
        case Form::any:
            return type;
        case Form::range:
            return fmt::format("{}, {}", type, allowed_range(valid));
        case Form::one_of:
            return fmt::format("one of {}", fmt::join(valid.choices, ", "));
        case Form::set: {
            std::string out = valid.not_empty ? "at least one word" : "words";
            if (!valid.choices.empty()) {
                out += fmt::format(" of {}", fmt::join(valid.choices, ", "));
            }
            return out + " separated by commas";
        }
        case Form::not_empty:
            return type + " that is not empty";
        case Form::voters:
            return "ID@HOST:PORT, separated by commas";
        case Form::servers:
            return "HOST:PORT, separated by commas";
        case Form::throttled_replicas:
            return "* or PARTITION:BROKER, separated by commas";
        case Form::offset_reset:
            return fmt::format("earliest, latest, {}or by_duration: and an ISO-8601 duration",
                               valid.choices.empty() ? "" : "none, ");
        case Form::client_match:
            return fmt::format("KEY=REGEX, separated by commas, with the keys {}",
                               fmt::join(client_match_keys, ", "));
    }
    return type;
}

std::vector<std::string> split_list(std::string_view text) {
    std::vector<std::string> words;
    text = trim(text);
    if (text.empty()) return words;
    while (true) {
        std::size_t comma = text.find(',');
        words.emplace_back(trim(text.substr(0, comma)));
        if (comma == std::string_view::npos) return words;
        text.remove_prefix(comma + 1);
    }
}

}  // namespace millrace::config
