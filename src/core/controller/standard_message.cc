#include "core/controller/standard_message.h"

namespace millrace::controller {

std::string standard_message(ErrorCode code) {
    switch (code) {
        case ErrorCode::unknown_topic_or_partition:
            return "This server does not host this topic-partition.";
        case ErrorCode::unknown_topic_id:
            return "This server does not host this topic ID.";
        case ErrorCode::topic_authorization_failed:
            return "Topic authorization failed.";
        case ErrorCode::group_authorization_failed:
            return "Group authorization failed.";
        case ErrorCode::cluster_authorization_failed:
            return "Cluster authorization failed.";
        case ErrorCode::preferred_leader_not_available:
            return "The preferred leader was not available.";
        case ErrorCode::eligible_leaders_not_available:
            return "Eligible topic partition leaders are not available.";
        case ErrorCode::election_not_needed:
            return "Leader election not needed for topic partition.";
        default:
            return {};
    }
}

}  // namespace millrace::controller
