#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "tls/store.h"

namespace millrace::tls {

// The one private key and the certificates of a text in PEM, in any order; lines may be broken
// anywhere or nowhere, as a line of a properties file has it. Kafka's clients take keys in PKCS#8;
// the older forms of RSA and EC keys are read, too, unless they are encrypted.
Result<Identity> read_pem_identity(std::string_view text,
                                   const std::optional<std::string>& key_password);

// Its certificates; an error where there is none.
Result<Certificates> read_pem_certificates(std::string_view text);

}  // namespace millrace::tls
