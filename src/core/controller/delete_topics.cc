#include "core/controller/delete_topics.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/controller/standard_message.h"
#include "core/controller/state.h"

namespace millrace::controller {
namespace {

// Names a topic by its name or by its id.
struct Target {
    std::optional<std::string> name;
    Uuid id;
    auto operator<=>(const Target&) const = default;
};

class Deletion {
  public:
    Deletion(const DeleteTopics& command, const State& state, Time now)
        : command_(command), state_(state), now_(now) {}

    Decision<DeleteTopicsResponse> run() && {
        for (const std::string& name : command_.request.topic_names) add({name, {}});
        for (const auto& topic : command_.request.topics) {
            if (!topic.name && topic.topic_id.is_zero()) {
                refuse({},
                       {ErrorCode::invalid_request, "Neither topic name nor id were specified."});
            } else if (topic.name && !topic.topic_id.is_zero()) {
                refuse({topic.name, topic.topic_id},
                       {ErrorCode::invalid_request,
                        "You may not specify both topic name and topic id."});
            } else {
                add({topic.name, topic.topic_id});
            }
        }
        // Ids first: a name for a topic that was given by id as well is then found out.
        for (const Target& target : order_) {
            if (!target.name && times_[target] == 1) by_id(target.id);
        }
        for (const Target& target : order_) {
            if (target.name && times_[target] == 1) by_name(*target.name);
        }
        finish();
        return std::move(decision_);
    }

  private:
    void add(Target target) {
        int times = ++times_[target];
        if (times == 1) {
            order_.push_back(std::move(target));
        } else if (times == 2) {
            refuse(target, {ErrorCode::invalid_request,
                            target.name ? "Duplicate topic name." : "Duplicate topic id."});
        }
    }

    void by_id(const Uuid& id) {
        const metadata::Topic* topic = state_.image().topics.find(id);
        if (topic == nullptr) {
            refuse({{}, id}, standard_error(ErrorCode::unknown_topic_id));
        } else if (permits(command_.may_delete, topic->name)) {
            chosen_.emplace_back(topic);
        } else {
            bool may_know = permits(command_.may_describe, topic->name);
            refuse({may_know ? std::optional(topic->name) : std::nullopt, id},
                   standard_error(ErrorCode::topic_authorization_failed));
        }
    }

    void by_name(const std::string& name) {
        Target target{name, {}};
        const metadata::Topic* topic = state_.image().topics.find(std::string_view(name));
        if (!permits(command_.may_describe, name)) {
            refuse(target, standard_error(ErrorCode::topic_authorization_failed));
        } else if (topic == nullptr) {
            refuse(target, standard_error(ErrorCode::unknown_topic_or_partition));
        } else if (!permits(command_.may_delete, name)) {
            refuse(target, standard_error(ErrorCode::topic_authorization_failed));
        } else if (times_.contains({{}, topic->id})) {
            std::erase(chosen_, topic);
            refuse({name, topic->id},
                   {ErrorCode::invalid_request,
                    "The provided topic name maps to an ID that was already supplied."});
        } else {
            chosen_.push_back(topic);
        }
    }

    void finish() {
        for (const metadata::Topic* topic : chosen_) {
            if (decision_.records.size() == max_records_per_decision) {
                refuse({topic->name, topic->id},
                       {ErrorCode::policy_violation,
                        "Unable to perform excessively large batch operation."});
                continue;
            }
            if (!takes(command_.quota, topic->partitions.size(), now_)) {
                refuse({topic->name, topic->id}, {ErrorCode::throttling_quota_exceeded, ""});
                continue;
            }
            RemoveTopicRecord record;
            record.topic_id = topic->id;
            decision_.records.push_back({std::move(record), 0});
            answer({topic->name, topic->id});
        }
        decision_.response.throttle_time_ms = throttle_time_ms(command_.quota);
    }

    DeleteTopicsResponse::DeletableTopicResult& answer(const Target& target) {
        auto& answer = decision_.response.responses.emplace_back();
        answer.name = target.name;
        answer.topic_id = target.id;
        return answer;
    }
    void refuse(const Target& target, Error error) {
        auto& refused = answer(target);
        refused.error_code = error.code;
        if (!error.message.empty()) refused.error_message = std::move(error.message);
    }

    const DeleteTopics& command_;
    const State& state_;
    Time now_;
    std::map<Target, int> times_;
    std::vector<Target> order_;
    std::vector<const metadata::Topic*> chosen_;
    Decision<DeleteTopicsResponse> decision_;
};

// Deletion is switched off: every topic of the request hears it.
Decision<DeleteTopicsResponse> all_refused(const DeleteTopics& command) {
    Error error = command.version < 3
                      ? Error{ErrorCode::invalid_request, "Topic deletion is disabled."}
                      : Error{ErrorCode::topic_deletion_disabled, ""};
    Decision<DeleteTopicsResponse> decision;
    auto refuse = [&](std::optional<std::string> name, const Uuid& id) {
        auto& answer = decision.response.responses.emplace_back();
        answer.name = std::move(name);
        answer.topic_id = id;
        answer.error_code = error.code;
        if (!error.message.empty()) answer.error_message = error.message;
    };
    for (const std::string& name : command.request.topic_names) refuse(name, {});
    for (const auto& topic : command.request.topics) refuse(topic.name, topic.topic_id);
    return decision;
}

}  // namespace

Decision<DeleteTopicsResponse> decide(const DeleteTopics& command, const State& state, Inputs in) {
    if (!state.config().delete_topic_enable()) return all_refused(command);
    return Deletion(command, state, in.now).run();
}

}  // namespace millrace::controller
