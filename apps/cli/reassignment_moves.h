#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/task.h"
#include "cli/reassignment_plan.h"
#include "client/admin.h"

namespace millrace::cli {

class Arguments;
class Output;

// "t-0,t-1".
std::string names_of(const client::Outcomes<client::TopicPartition>& outcomes);
// Error: this sentence, with a line for each partition that failed.
Result<> all_done(const client::Outcomes<client::TopicPartition>& outcomes,
                  std::string_view sentence);

// Where a replica lies, and where it is on its way to; by path, empty where that is nowhere.
struct ReplicaPlace {
    std::string current;
    std::string future;
};
// Of these replicas, those that their brokers know.
Task<Result<std::map<Replica, ReplicaPlace>>> places_of(
    client::Admin& admin, const std::map<Replica, std::string>& replicas);

// Lets replicas move to log directories; those that are not there yet are waited for, for
// --timeout.
Task<Result<>> move_directories(client::Admin& admin, const Arguments& arguments, Output& output,
                                std::map<Replica, std::string> directories);

}  // namespace millrace::cli
