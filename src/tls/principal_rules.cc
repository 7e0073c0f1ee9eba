#include "tls/principal_rules.h"

#include <cctype>
#include <fmt/core.h>
#include <re2/re2.h>

#include "config/text.h"

namespace millrace::tls {
namespace {

std::unexpected<Error> refuse(std::string_view rule, std::string_view why) {
    return fail(ErrorCode::invalid_config,
                fmt::format("ssl.principal.mapping.rules: '{}': {}", rule, why));
}

// Up to the next '/' that no backslash is before, which is taken too. None: there is no such.
std::optional<std::string_view> take_part(std::string_view& rest) {
    for (std::size_t i = 0; i < rest.size(); ++i) {
        if (rest[i] == '\\') {
            ++i;
        } else if (rest[i] == '/') {
            std::string_view part = rest.substr(0, i);
            rest.remove_prefix(i + 1);
            return part;
        }
    }
    return std::nullopt;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// $1 is what a group matched, and as in Java as many digits count as name a group; \x is x. A
// number that names none stands for itself.
void append_replacement(std::string_view replacement, const std::vector<re2::StringPiece>& groups,
                        std::string& to) {
    for (std::size_t i = 0; i < replacement.size(); ++i) {
        char c = replacement[i];
        if (c == '\\' && i + 1 < replacement.size()) {
            to += replacement[++i];
            continue;
        }
        std::size_t group = 0;
        std::size_t end = i + 1;
        while (c == '$' && end < replacement.size() && is_digit(replacement[end])) {
            std::size_t longer = group * 10 + static_cast<std::size_t>(replacement[end] - '0');
            if (longer >= groups.size()) break;
            group = longer;
            ++end;
        }
        if (end == i + 1) {
            to += c;
        } else {
            to.append(groups[group].data(), groups[group].size());
            i = end - 1;
        }
    }
}

}  // namespace

Result<PrincipalRules::Rule> PrincipalRules::parse_rule(std::string_view& rest) {
    constexpr std::string_view prefix = "RULE:";
    constexpr std::string_view plain = "DEFAULT";
    if (rest.starts_with(plain)) {
        rest.remove_prefix(plain.size());
        return Rule{};
    }
    std::string_view whole = rest;
    if (!rest.starts_with(prefix)) {
        return refuse(whole, "a rule is DEFAULT or RULE:pattern/replacement/, with L or U behind");
    }
    rest.remove_prefix(prefix.size());
    auto pattern = take_part(rest);
    auto replacement = pattern ? take_part(rest) : std::nullopt;
    if (!replacement) {
        return refuse(whole, "a rule is RULE:pattern/replacement/, with L or U behind");
    }
    Rule rule{.replacement = std::string(*replacement)};
    if (rest.starts_with('L')) rule.letters = Rule::Case::lower;
    if (rest.starts_with('U')) rule.letters = Rule::Case::upper;
    if (rule.letters != Rule::Case::kept) rest.remove_prefix(1);
    RE2::Options options;
    options.set_log_errors(false);
    auto compiled =
        std::make_shared<const RE2>(re2::StringPiece(pattern->data(), pattern->size()), options);
    if (!compiled->ok()) {
        return refuse(*pattern,
                      fmt::format("this is no pattern that RE2 takes: {}", compiled->error()));
    }
    rule.pattern = std::move(compiled);
    return rule;
}

Result<PrincipalRules> PrincipalRules::parse(std::string_view text) {
    PrincipalRules rules;
    std::string_view rest = config::trim(text);
    while (!rest.empty()) {
        if (rest.starts_with(',')) {  // an empty rule
            rest = config::trim(rest.substr(1));
            continue;
        }
        ASSIGN_OR_RETURN(Rule rule, parse_rule(rest));
        rules.rules_.push_back(std::move(rule));
        rest = config::trim(rest);
        if (rest.empty()) break;
        if (!rest.starts_with(',')) {
            return refuse(rest, "this follows a rule; a comma goes between two");
        }
        rest = config::trim(rest.substr(1));
    }
    return rules;
}

// As Java's replaceAll, which replaces an empty match at the end of the text as well.
std::string PrincipalRules::replace_all(const Rule& rule, std::string_view text) {
    re2::StringPiece subject(text.data(), text.size());
    std::vector<re2::StringPiece> groups(
        static_cast<std::size_t>(rule.pattern->NumberOfCapturingGroups()) + 1);
    std::string result;
    std::size_t copied = 0;
    std::size_t from = 0;
    while (from <= text.size() &&
           rule.pattern->Match(subject, from, text.size(), RE2::UNANCHORED, groups.data(),
                               static_cast<int>(groups.size()))) {
        auto begin = static_cast<std::size_t>(groups[0].data() - text.data());
        std::size_t end = begin + groups[0].size();
        result += text.substr(copied, begin - copied);
        append_replacement(rule.replacement, groups, result);
        copied = end;
        from = groups[0].empty() ? end + 1 : end;
    }
    result += text.substr(std::min(copied, text.size()));
    return result;
}

std::optional<std::string> PrincipalRules::name(std::string_view distinguished_name) const {
    for (const Rule& rule : rules_) {
        if (!rule.pattern) return std::string(distinguished_name);
        re2::StringPiece subject(distinguished_name.data(), distinguished_name.size());
        if (!RE2::FullMatch(subject, *rule.pattern)) continue;
        std::string name = replace_all(rule, distinguished_name);
        if (rule.letters == Rule::Case::lower) return config::lower_case(name);
        if (rule.letters == Rule::Case::upper) return config::upper_case(name);
        return name;
    }
    return std::nullopt;
}

}  // namespace millrace::tls
