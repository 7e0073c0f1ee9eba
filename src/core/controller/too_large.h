#pragma once

#include "base/result.h"
#include "core/controller/decision.h"

namespace millrace::controller {

inline Error too_large() {
    return {ErrorCode::policy_violation, "Unable to perform excessively large batch operation."};
}

// Of a decision that is larger than it may be nothing is written, and each of the results in its
// response says why.
template <typename Response, typename Results>
void refuse_if_too_large(Decision<Response>& decision, Results& results) {
    if (decision.records.size() <= max_records_per_decision) return;
    decision.records.clear();
    for (auto& result : results) {
        result.error_code = too_large().code;
        result.error_message = too_large().message;
    }
}

}  // namespace millrace::controller
