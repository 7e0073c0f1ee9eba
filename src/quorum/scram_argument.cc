#include "quorum/scram_argument.h"

#include <fmt/format.h>
#include <map>
#include <optional>
#include <vector>

#include "base/random.h"
#include "core/controller/scram_keys.h"
#include "storage/text_lines.h"

namespace millrace::quorum {
namespace {

using Mechanism = controller::ScramMechanism;
using controller::max_scram_iterations;

constexpr std::int32_t default_iterations = 4096;
constexpr std::size_t random_salt_words = 3;  // 24 bytes

using Octets = std::vector<std::uint8_t>;
using Components = std::map<std::string, std::string, std::less<>>;

auto refuse(std::string message) { return fail(ErrorCode::invalid_request, std::move(message)); }

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blanks = " \t\r\n";
    std::size_t first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::optional<std::uint32_t> digit_of(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+') return 62;
    if (c == '/') return 63;
    return std::nullopt;
}

// As java.util.Base64: padding may be left out, but not be in part.
std::optional<Octets> decode_base64(std::string_view text) {
    std::string_view digits = text.substr(0, text.find('='));
    std::size_t padding = text.size() - digits.size();
    if (digits.size() % 4 == 1) return std::nullopt;
    if (padding > 0 && (text.size() % 4 != 0 || padding > 2)) return std::nullopt;
    if (padding == 2 && text.back() != '=') return std::nullopt;
    Octets bytes;
    std::uint32_t bits = 0;
    int count = 0;
    for (char c : digits) {
        auto digit = digit_of(c);
        if (!digit) return std::nullopt;
        bits = (bits << 6U) | *digit;
        count += 6;
        if (count < 8) continue;
        count -= 8;
        bytes.push_back(static_cast<std::uint8_t>(bits >> static_cast<unsigned>(count)));
    }
    return bytes;
}

Result<Components> split_components(std::string_view text) {
    Components components;
    while (text.ends_with(',')) text.remove_suffix(1);  // as String.split leaves them out
    while (true) {
        std::string_view part = text.substr(0, text.find(','));
        std::size_t split = part.find('=');
        if (split == std::string_view::npos)
            return refuse(fmt::format("No equals sign found in SCRAM component: {}", part));
        std::string_view value = part.substr(split + 1);
        if (value.size() >= 2 && value.starts_with('"') && value.ends_with('"'))
            value = value.substr(1, value.size() - 2);
        components.insert_or_assign(std::string(part.substr(0, split)), std::string(value));
        if (part.size() == text.size()) return components;
        text.remove_prefix(part.size() + 1);
    }
}

std::optional<std::string> take(Components& components, std::string_view name) {
    auto at = components.find(name);
    if (at == components.end()) return std::nullopt;
    std::string value = std::move(at->second);
    components.erase(at);
    return value;
}

Octets random_salt(Random& random) {
    Octets salt(random_salt_words * sizeof(std::uint64_t));
    for (std::size_t i = 0; i < random_salt_words; ++i)
        store_be(salt.data() + i * sizeof(std::uint64_t), random.next());
    return salt;
}

Result<Octets> salt_of(Components& components, Random& random) {
    auto given = take(components, "salt");
    if (!given) return random_salt(random);
    auto salt = decode_base64(*given);
    if (!salt) return refuse(fmt::format("Failed to decode given salt: {}", *given));
    return *std::move(salt);
}

Result<std::int32_t> iterations_of(Components& components) {
    auto given = take(components, "iterations");
    if (!given) return default_iterations;
    auto iterations = storage::parse_number<std::int32_t>(*given);
    if (!iterations) return refuse(fmt::format("Failed to parse iterations count: {}", *given));
    return *iterations;
}

// What the credential is made of: the password or its hash.
struct Secret {
    std::optional<std::string> password;
    Octets salted;
};
Result<Secret> secret_of(Components& components, bool salt_given) {
    Secret secret{take(components, "password"), {}};
    auto salted = take(components, "saltedpassword");
    if (secret.password) return secret;
    if (!salted)
        return refuse("You must supply one of 'password' or 'saltedpassword' to add-scram");
    if (!salt_given) return refuse("You must supply 'salt' with 'saltedpassword' to add-scram");
    auto decoded = decode_base64(*salted);
    if (!decoded || decoded->empty())
        return refuse(fmt::format("Failed to decode given saltedPassword: {}", *salted));
    secret.salted = *std::move(decoded);
    return secret;
}

Result<> check_iterations(const Mechanism& mechanism, std::int32_t iterations) {
    if (iterations < mechanism.min_iterations) {
        return refuse(fmt::format("The 'iterations' value must be >= {} for add-scram using {}",
                                  mechanism.min_iterations, mechanism.java_name));
    }
    if (iterations > max_scram_iterations) {
        return refuse(fmt::format("The 'iterations' value must be <= {} for add-scram using {}",
                                  max_scram_iterations, mechanism.java_name));
    }
    return {};
}

Result<UserScramCredentialRecord> make_credential(const Mechanism& mechanism, Components components,
                                                  Random& random) {
    auto name = take(components, "name");
    if (!name) return refuse("You must supply 'name' to add-scram");
    bool salt_given = components.contains("salt");
    ASSIGN_OR_RETURN(Octets salt, salt_of(components, random));
    ASSIGN_OR_RETURN(std::int32_t iterations, iterations_of(components));
    ASSIGN_OR_RETURN(Secret secret, secret_of(components, salt_given));
    if (!components.empty()) {
        std::vector<std::string_view> names;
        for (const auto& [key, value] : components) names.push_back(key);
        return refuse(fmt::format("Unknown SCRAM configurations: {}", fmt::join(names, ", ")));
    }
    RETURN_IF_ERROR(check_iterations(mechanism, iterations));
    if (secret.password) {
        secret.salted =
            controller::salted_password(mechanism, *secret.password, Bytes(salt), iterations);
    }
    controller::ScramKeys keys = controller::scram_keys(mechanism, Bytes(secret.salted));

    UserScramCredentialRecord record;
    record.name = *std::move(name);
    record.mechanism = mechanism.code;
    record.salt = Slice::copy(salt);
    record.stored_key = std::move(keys.stored_key);
    record.server_key = std::move(keys.server_key);
    record.iterations = iterations;
    return record;
}

}  // namespace

Result<UserScramCredentialRecord> parse_scram_argument(std::string_view text, Random& random) {
    text = trimmed(text);
    std::size_t split = text.find('=');
    if (split == std::string_view::npos)
        return refuse(fmt::format("Failed to find equals sign in SCRAM argument '{}'", text));
    std::string_view wanted = text.substr(0, split);
    std::string_view list = text.substr(split + 1);
    const Mechanism* mechanism = nullptr;
    for (const Mechanism& each : controller::scram_mechanisms()) {
        if (each.name == wanted) mechanism = &each;
    }
    if (mechanism == nullptr)
        return refuse(fmt::format("The add-scram mechanism {} is not supported.", wanted));
    if (!list.starts_with('[')) return refuse("Expected configuration string to start with [");
    if (!list.ends_with(']')) return refuse("Expected configuration string to end with ]");
    ASSIGN_OR_RETURN(Components components, split_components(list.substr(1, list.size() - 2)));
    return make_credential(*mechanism, std::move(components), random);
}

}  // namespace millrace::quorum
