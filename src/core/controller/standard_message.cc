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
        default:
            return {};
    }
}

}  // namespace millrace::controller
