#include "core/controller/scram_keys.h"

#include <algorithm>
#include <array>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <vector>

#include "base/check.h"

namespace millrace::controller {
namespace {

using Octets = std::vector<std::uint8_t>;

constexpr std::array mechanisms{
    ScramMechanism{"SCRAM-SHA-256", "SCRAM_SHA_256", 1, 4096, 32},
    ScramMechanism{"SCRAM-SHA-512", "SCRAM_SHA_512", 2, 4096, 64},
};

const EVP_MD* digest_of(const ScramMechanism& mechanism) {
    return mechanism.digest_size == mechanisms[0].digest_size ? EVP_sha256() : EVP_sha512();
}

Octets hmac(const ScramMechanism& mechanism, Bytes key, std::string_view text) {
    Octets out(mechanism.digest_size);
    unsigned size = 0;
    CHECK(HMAC(digest_of(mechanism), key.data(), static_cast<int>(key.size()),
               as_bytes(text).data(), text.size(), out.data(), &size) != nullptr);
    CHECK(size == out.size());
    return out;
}

Octets digest(const ScramMechanism& mechanism, const Octets& bytes) {
    Octets out(mechanism.digest_size);
    CHECK(EVP_Digest(bytes.data(), bytes.size(), out.data(), nullptr, digest_of(mechanism),
                     nullptr) == 1);
    return out;
}

}  // namespace

std::span<const ScramMechanism> scram_mechanisms() { return mechanisms; }

const ScramMechanism* find_scram_mechanism(std::int8_t code) {
    const auto* at = std::ranges::find(mechanisms, code, &ScramMechanism::code);
    return at == mechanisms.end() ? nullptr : &*at;
}

Octets salted_password(const ScramMechanism& mechanism, std::string_view password, Bytes salt,
                       std::int32_t iterations) {
    Octets salted(mechanism.digest_size);
    CHECK(PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), salt.data(),
                            static_cast<int>(salt.size()), iterations, digest_of(mechanism),
                            static_cast<int>(salted.size()), salted.data()) == 1);
    return salted;
}

ScramKeys scram_keys(const ScramMechanism& mechanism, Bytes salted_password) {
    CHECK(!salted_password.empty());
    return {Slice::copy(digest(mechanism, hmac(mechanism, salted_password, "Client Key"))),
            Slice::copy(hmac(mechanism, salted_password, "Server Key"))};
}

}  // namespace millrace::controller
