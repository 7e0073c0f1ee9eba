#include "broker/streams_topics.h"

#include <algorithm>
#include <fmt/format.h>

namespace millrace::broker {

const StreamsTopics::Failure* StreamsTopics::find(const std::string& name) const {
    auto found = failures_.find(name);
    return found == failures_.end() || found->second.until <= shard_.now() ? nullptr
                                                                           : &found->second;
}

void StreamsTopics::make(std::vector<Creatable> topics, const Caller& caller,
                         controller::MutationQuotaPtr quota, Duration patience) {
    std::erase_if(topics, [&](const Creatable& topic) {
        return find(topic.name) != nullptr || !being_made_.insert(topic.name).second;
    });
    if (topics.empty()) return;
    std::vector<std::string> names;
    for (const Creatable& topic : topics) names.push_back(topic.name);
    controllers_.create_later(
        std::move(topics), caller, std::move(quota),
        [this, names = std::move(names), patience](const Result<CreateTopicsResponse>& answered) {
            take(names, answered, patience);
        });
}

void StreamsTopics::take(const std::vector<std::string>& names,
                         const Result<CreateTopicsResponse>& answered, Duration patience) {
    for (const std::string& name : names) being_made_.erase(name);
    if (!answered) {
        const Error& error = answered.error();
        std::string why =
            error.message.empty() ? std::string(meaning_of(error.code)) : error.message;
        for (const std::string& name : names) remember(name, why, patience);
        return;
    }
    for (const auto& topic : answered->topics) {
        if (topic.error_code == ErrorCode::none) continue;
        bool told = topic.error_message && !topic.error_message->empty();
        remember(topic.name,
                 told ? *topic.error_message : std::string(meaning_of(topic.error_code)), patience);
    }
}

void StreamsTopics::remember(const std::string& name, std::string message, Duration patience) {
    Time now = shard_.now();
    failures_.insert_or_assign(name, Failure{std::move(message), now + patience});
    std::erase_if(failures_, [now](const auto& entry) { return entry.second.until <= now; });
    if (failures_.size() <= most_failures) return;
    failures_.erase(std::ranges::min_element(failures_, {},
                                             [](const auto& entry) { return entry.second.until; }));
}

std::string StreamsTopics::failures_of(const std::vector<Creatable>& topics) const {
    constexpr std::size_t most_told = 3;
    std::string text;
    std::size_t failed = 0;
    for (const Creatable& topic : topics) {
        const Failure* failure = find(topic.name);
        if (failure == nullptr || ++failed > most_told) continue;
        text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", topic.name, failure->message);
    }
    if (failed > most_told) text += fmt::format(" and {} more", failed - most_told);
    return text;
}

}  // namespace millrace::broker
