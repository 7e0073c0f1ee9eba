#include <fmt/format.h>
#include <memory>
#include <utility>
#include <vector>

#include "core/metadata/delta.h"

namespace millrace::metadata {
namespace {

template <typename... Args>
auto refuse(fmt::format_string<Args...> format, Args&&... args) {
    return fail(ErrorCode::invalid_record, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace

Delta::TopicEdit* Delta::edit(const Uuid& id) {
    if (auto open = open_topics_.find(id); open != open_topics_.end()) return &open->second;
    const Topic* topic = topics_by_id_.find(id);
    if (topic == nullptr) return nullptr;
    return &open_topics_
                .emplace(id, TopicEdit{topic->name,
                                       SortedMapEditor<std::int32_t, Partition>(topic->partitions)})
                .first->second;
}

Result<> Delta::on(const TopicRecord& record) {
    if (const Topic* topic = topics_by_name_.find(std::string_view(record.name))) {
        return refuse("a topic named {} exists already, with id {}", record.name,
                      topic->id.to_string());
    }
    if (topics_by_id_.find(record.topic_id) != nullptr)
        return refuse("a topic with id {} exists already", record.topic_id.to_string());
    auto topic = std::make_shared<const Topic>(Topic{record.name, record.topic_id, {}});
    topics_by_name_.set(topic->name, topic);
    topics_by_id_.set(record.topic_id, topic);
    return {};
}

Result<> Delta::on(const RemoveTopicRecord& record) {
    std::shared_ptr<const Topic> topic = topics_by_id_.share(record.topic_id);
    if (topic == nullptr) return refuse("no topic has the id {}", record.topic_id.to_string());
    open_topics_.erase(record.topic_id);
    topics_by_name_.erase(std::string_view(topic->name));
    topics_by_id_.erase(record.topic_id);
    configs_.erase(ConfigResourceView{config::ResourceType::topic, topic->name});
    return {};
}

Result<> Delta::on(const PartitionRecord& record) {
    TopicEdit* topic = edit(record.topic_id);
    if (topic == nullptr) return refuse("no topic has the id {}", record.topic_id.to_string());
    if (record.partition_id < 0) return refuse("negative partition {}", record.partition_id);
    ASSIGN_OR_RETURN(Partition partition, Partition::from(record));
    topic->partitions.set(record.partition_id,
                          std::make_shared<const Partition>(std::move(partition)));
    return {};
}

Result<> Delta::on(const PartitionChangeRecord& record) {
    TopicEdit* topic = edit(record.topic_id);
    if (topic == nullptr) return refuse("no topic has the id {}", record.topic_id.to_string());
    const Partition* partition = topic->partitions.find(record.partition_id);
    if (partition == nullptr)
        return refuse("{} has no partition {}", topic->name, record.partition_id);
    ASSIGN_OR_RETURN(Partition next, partition->changed_by(record));
    topic->partitions.set(record.partition_id, std::make_shared<const Partition>(std::move(next)));
    return {};
}

Result<> Delta::on(const ClearElrRecord& record) {
    if (!record.topic_name.empty()) {
        const Topic* topic = topics_by_name_.find(std::string_view(record.topic_name));
        if (topic == nullptr) return refuse("no topic is named {}", record.topic_name);
        clear_elr(topic->id);
        return {};
    }
    std::vector<Uuid> ids;
    for (const auto& entry : base_.topics.by_id()) ids.push_back(entry.key);
    for (const auto& [id, open] : open_topics_) ids.push_back(id);
    for (const Uuid& id : ids) clear_elr(id);
    return {};
}

void Delta::clear_elr(const Uuid& id) {
    std::vector<std::pair<std::int32_t, std::shared_ptr<const Partition>>> cleared;
    auto clear = [&](std::int32_t index, const Partition& partition) {
        if (partition.elr.empty() && partition.last_known_elr.empty()) return;
        auto next = std::make_shared<Partition>(partition);
        next->elr.clear();
        next->last_known_elr.clear();
        ++next->epoch;
        cleared.emplace_back(index, std::move(next));
    };
    // Most topics have nothing to clear and are not opened for it.
    if (auto open = open_topics_.find(id); open != open_topics_.end()) {
        open->second.partitions.for_each(clear);
    } else if (const Topic* topic = topics_by_id_.find(id)) {
        for (const auto& [index, partition] : topic->partitions) clear(index, *partition);
    }
    for (auto& [index, partition] : cleared) edit(id)->partitions.set(index, std::move(partition));
}

void Delta::finish_topics(Image& image) {
    for (auto& [id, open] : open_topics_) {
        auto topic = std::make_shared<const Topic>(
            Topic{std::move(open.name), id, std::move(open.partitions).finish()});
        topics_by_name_.set(topic->name, topic);
        topics_by_id_.set(id, topic);
    }
    image.topics = Topics(std::move(topics_by_name_).finish(), std::move(topics_by_id_).finish());
}

}  // namespace millrace::metadata
