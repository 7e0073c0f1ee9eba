#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "protocol/user_scram_credential_record.h"

namespace millrace {
class Random;
}

namespace millrace::quorum {

// The credential that an --add-scram of kafka-storage means:
// SCRAM-SHA-256=[name=alice,password=secret] with iterations=N (4096), salt="BASE64" (random), and
// saltedpassword="BASE64" instead of a password. Error invalid_request with Apache's sentence.
Result<UserScramCredentialRecord> parse_scram_argument(std::string_view text, Random& random);

}  // namespace millrace::quorum
