#pragma once

#include <map>
#include <memory>
#include <string>

#include "tls/profile.h"

namespace millrace::net {

// What the listeners of one shard speak TLS with, by the listener's name. A connection keeps what
// was there when it came.
struct TlsProfiles {
    std::map<std::string, std::shared_ptr<const tls::Profile>, std::less<>> by_listener;
};

}  // namespace millrace::net
