#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "config/value.h"
#include "core/metadata/image.h"
#include "core/metadata/record.h"

namespace millrace::controller {

class State;

// What is to change in the configs of one resource.
class ConfigChanges {
  public:
    enum class Resource : std::uint8_t { existing, made_now };

    ConfigChanges(const State& state, metadata::ConfigResource resource)
        : state_(state), resource_(std::move(resource)) {}

    // No value: it is no longer set.
    void set(std::string name, std::optional<std::string> value) {
        changes_.emplace_back(std::move(name), std::move(value));
    }
    // Keys that were set and are not among the changes are no longer set.
    void remove_others();

    // What is set now, and what would be.
    const config::ConfigMap& before() const;
    config::ConfigMap after() const;

    // The ConfigRecords that do it, or why it must not be done.
    Result<metadata::Records> records(Resource existence) const;

  private:
    using Change = std::pair<std::string, std::optional<std::string>>;

    Result<> check_change(const Change& change) const;
    Result<> check_resource() const;
    Result<> check_existence() const;

    const State& state_;
    metadata::ConfigResource resource_;
    std::vector<Change> changes_;
};

// With another min.insync.replicas the eligible leaders found under the old one mean nothing:
// appends the ClearElrRecords that the ConfigRecords ask for.
void append_clear_elr(const State& state, metadata::Records& records);

}  // namespace millrace::controller
