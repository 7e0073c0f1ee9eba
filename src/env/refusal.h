#pragma once

#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "env/network.h"

namespace millrace::env {

class Shard;

// Whether an attempt to connect failed as nobody listens there, at any address of the host.
bool is_refusal(const Error& error);

// Whether nobody listens at any of these addresses, for as long as `window`: what a machine says of
// a process that has ended on it. Silence, errors on the way and names without an address are no
// such answer, and neither is an empty list. Ends within ten windows and one more.
Task<bool> all_refuse(Shard& shard, std::vector<Address> addresses, Duration window);

}  // namespace millrace::env
