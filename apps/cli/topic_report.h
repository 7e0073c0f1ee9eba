#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <set>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "cli/reassignments.h"
#include "client/admin_configs.h"
#include "client/admin_topics.h"

namespace millrace::cli {

class Output;

// What `topics --describe` knows of topics, besides their descriptions.
struct TopicDetails {
    std::vector<client::TopicDescription> topics;  // in the order they are shown
    client::Outcomes<client::ConfigResource, std::vector<client::ConfigEntry>> configs;
    std::set<std::int32_t> live_brokers;
    client::Reassignments reassignments;
};
Task<Result<TopicDetails>> fetch_details(client::Admin& admin,
                                         std::vector<client::TopicDescription> topics);

// Which of it is shown.
struct TopicReport {
    bool overridden_only = false;
    bool under_replicated = false;
    bool unavailable = false;
    bool under_min_isr = false;
    bool at_min_isr = false;

    bool of_partitions_only() const {
        return under_replicated || unavailable || under_min_isr || at_min_isr;
    }
};
void print(const TopicDetails& details, const TopicReport& report, Output& output);
boost::json::value to_json(const TopicDetails& details, const TopicReport& report);

}  // namespace millrace::cli
