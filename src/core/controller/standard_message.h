#pragma once

#include <string>

#include "base/result.h"

namespace millrace::controller {

// The sentence that Kafka's clients know a code by, for answers that need no other; "" for codes
// that the controller never answers bare.
std::string standard_message(ErrorCode code);

inline Error standard_error(ErrorCode code) { return {code, standard_message(code)}; }

}  // namespace millrace::controller
