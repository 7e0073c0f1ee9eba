#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace re2 {
class RE2;
}

namespace millrace::tls {

// ssl.principal.mapping.rules (KIP-371): what a client is called by its certificate's distinguished
// name. Rules are tried in order: "RULE:pattern/replacement/", with L or U behind for lower or
// upper case, or "DEFAULT", the name as it is.
class PrincipalRules {
  public:
    // Error invalid_config with the rule that cannot be read, or whose pattern RE2 does not take.
    static Result<PrincipalRules> parse(std::string_view text);

    // None: no rule fits.
    std::optional<std::string> name(std::string_view distinguished_name) const;

  private:
    struct Rule {
        std::shared_ptr<const re2::RE2> pattern;  // none: DEFAULT
        std::string replacement;
        enum class Case { kept, lower, upper } letters = Case::kept;
    };
    static Result<Rule> parse_rule(std::string_view& rest);
    static std::string replace_all(const Rule& rule, std::string_view text);

    std::vector<Rule> rules_;
};

}  // namespace millrace::tls
