#pragma once

#include <cstdint>

namespace millrace::broker {

// The codes of an ACL, or of a filter for some, by schema/enums.tsv. 0 stands for what is not
// known: Apache ends the connection of who sends it.
struct AclCodes {
    std::int8_t resource_type = 0;
    std::int8_t pattern_type = 0;
    std::int8_t operation = 0;
    std::int8_t permission = 0;

    bool are_known() const {
        return resource_type != 0 && pattern_type != 0 && operation != 0 && permission != 0;
    }
};

}  // namespace millrace::broker
