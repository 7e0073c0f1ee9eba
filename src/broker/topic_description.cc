#include "broker/topic_description.h"

namespace millrace::broker {

metadata::BrokerIds offline_replicas(const metadata::Image& image,
                                     const metadata::Partition& partition) {
    metadata::BrokerIds offline;
    for (std::int32_t id : partition.replicas) {
        const metadata::Broker* broker = image.brokers.find(id);
        if (broker == nullptr || broker->fenced ||
            !broker->has_online_directory(partition.directory_of(id))) {
            offline.push_back(id);
        }
    }
    return offline;
}

ErrorCode leader_error(const metadata::Image& image, const metadata::Partition& partition,
                       std::string_view listener) {
    const metadata::Broker* leader = image.brokers.find(partition.leader);
    if (leader == nullptr || leader->fenced) return ErrorCode::leader_not_available;
    return leader->endpoint(listener) == nullptr ? ErrorCode::listener_not_found : ErrorCode::none;
}

}  // namespace millrace::broker
