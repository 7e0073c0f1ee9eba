#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "broker/controllers.h"

namespace millrace::broker {

// Internal topics of streams groups (KIP-1071) that this shard has asked the controller to make for
// the members that need them, and why some could not be made.
class StreamsTopics {
  public:
    using Creatable = CreateTopicsRequest::CreatableTopic;

    StreamsTopics(env::Shard& shard, Controllers& controllers)
        : shard_(shard), controllers_(controllers) {}

    // Has them made in the member's name, and against its quota, while it goes on. What is being
    // made is left out, and so is what failed less than `patience` ago.
    void make(std::vector<Creatable> topics, const Caller& caller,
              controller::MutationQuotaPtr quota, Duration patience);
    // "a (why), b (why)", at most three of those that failed; empty when none has.
    std::string failures_of(const std::vector<Creatable>& topics) const;

  private:
    struct Failure {
        std::string message;
        Time until;
    };
    void take(const std::vector<std::string>& names, const Result<CreateTopicsResponse>& answered,
              Duration patience);
    void remember(const std::string& name, std::string message, Duration patience);
    const Failure* find(const std::string& name) const;

    static constexpr std::size_t most_failures = 1'000;

    env::Shard& shard_;
    Controllers& controllers_;
    std::set<std::string> being_made_;
    std::map<std::string, Failure> failures_;
};

}  // namespace millrace::broker
