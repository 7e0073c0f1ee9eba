#include "quorum/scram_argument.h"

#include <array>
#include <fmt/format.h>
#include <map>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <optional>
#include <vector>

#include "base/check.h"
#include "base/random.h"
#include "storage/text_lines.h"

namespace millrace::quorum {
namespace {

struct Mechanism {
    std::string_view name;
    std::string_view java_name;
    std::int8_t code;
    const EVP_MD* (*digest)();
    std::size_t size;  // of the digest
};
constexpr std::array mechanisms{
    Mechanism{"SCRAM-SHA-256", "SCRAM_SHA_256", 1, EVP_sha256, 32},
    Mechanism{"SCRAM-SHA-512", "SCRAM_SHA_512", 2, EVP_sha512, 64},
};
constexpr std::int32_t min_iterations = 4096;
constexpr std::int32_t max_iterations = 16384;
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

Octets hash_password(const Mechanism& mechanism, std::string_view password, const Octets& salt,
                     std::int32_t iterations) {
    Octets salted(mechanism.size);
    CHECK(PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), salt.data(),
                            static_cast<int>(salt.size()), iterations, mechanism.digest(),
                            static_cast<int>(salted.size()), salted.data()) == 1);
    return salted;
}

Octets hmac(const Mechanism& mechanism, const Octets& key, std::string_view text) {
    Octets out(mechanism.size);
    unsigned size = 0;
    CHECK(HMAC(mechanism.digest(), key.data(), static_cast<int>(key.size()), as_bytes(text).data(),
               text.size(), out.data(), &size) != nullptr);
    CHECK(size == out.size());
    return out;
}

Octets digest(const Mechanism& mechanism, const Octets& bytes) {
    Octets out(mechanism.size);
    CHECK(EVP_Digest(bytes.data(), bytes.size(), out.data(), nullptr, mechanism.digest(),
                     nullptr) == 1);
    return out;
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
    if (!given) return min_iterations;
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
    if (!decoded) return refuse(fmt::format("Failed to decode given saltedPassword: {}", *salted));
    secret.salted = *std::move(decoded);
    return secret;
}

Result<> check_iterations(const Mechanism& mechanism, std::int32_t iterations) {
    if (iterations < min_iterations) {
        return refuse(fmt::format("The 'iterations' value must be >= {} for add-scram using {}",
                                  min_iterations, mechanism.java_name));
    }
    if (iterations > max_iterations) {
        return refuse(fmt::format("The 'iterations' value must be <= {} for add-scram using {}",
                                  max_iterations, mechanism.java_name));
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
    if (secret.password)
        secret.salted = hash_password(mechanism, *secret.password, salt, iterations);

    UserScramCredentialRecord record;
    record.name = *std::move(name);
    record.mechanism = mechanism.code;
    record.salt = Slice::copy(salt);
    record.stored_key =
        Slice::copy(digest(mechanism, hmac(mechanism, secret.salted, "Client Key")));
    record.server_key = Slice::copy(hmac(mechanism, secret.salted, "Server Key"));
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
    for (const Mechanism& each : mechanisms) {
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
