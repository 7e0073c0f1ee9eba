#include "core/metadata/image_tree.h"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <utility>

#include "core/metadata/node_texts.h"

namespace millrace::metadata {
namespace {

using Entries = std::vector<TreeEntry>;

std::string_view name_of(config::ResourceType type) {
    switch (type) {
        case config::ResourceType::topic:
            return "TOPIC";
        case config::ResourceType::broker:
            return "BROKER";
        case config::ResourceType::broker_logger:
            return "BROKER_LOGGER";
        case config::ResourceType::client_metrics:
            return "CLIENT_METRICS";
        case config::ResourceType::group:
            return "GROUP";
        default:
            return "UNKNOWN";
    }
}

// As Java writes a time of a zone: no more digits of a second than it has.
std::string time_text(Timestamp ms) {
    namespace chrono = std::chrono;
    chrono::sys_time<chrono::milliseconds> time{chrono::milliseconds(ms)};
    auto day = chrono::floor<chrono::days>(time);
    chrono::year_month_day date{day};
    chrono::hh_mm_ss clock{time - day};
    std::string text =
        fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                    static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                    clock.hours().count(), clock.minutes().count(), clock.seconds().count());
    if (clock.subseconds().count() > 0) {
        text += fmt::format(".{:03}", clock.subseconds().count());
        while (text.ends_with('0')) text.pop_back();
    }
    return text + "Z[UTC]";
}

// The texts of the entries are made from `image`, which they keep.
template <typename Map, typename Name, typename Text>
TreeNode folder_of(ImagePtr image, const Map& map, Name name, Text text) {
    return folder([image = std::move(image), &map, name, text] {
        Entries entries;
        for (const auto& [key, value] : map) {
            TreeNode node;
            node.text = [image, at = key, shared = value, text] { return text(at, *shared); };
            entries.push_back({name(key), std::move(node)});
        }
        return entries;
    });
}

TreeNode topic_node(std::shared_ptr<const Topic> topic) {
    return folder([topic = std::move(topic)] {
        Entries entries{{"id", leaf(topic->id.to_string())}, {"name", leaf(topic->name)}};
        for (const auto& [index, partition] : topic->partitions) {
            TreeNode node;
            node.text = [shared = partition] { return text_of(*shared); };
            entries.push_back({std::to_string(index), std::move(node)});
        }
        return entries;
    });
}

TreeNode topics_node(const ImagePtr& image) {
    TreeNode by_id = folder([image] {
        Entries entries;
        for (const auto& [id, topic] : image->topics.by_id())
            entries.push_back({id.to_string(), topic_node(topic)});
        return entries;
    });
    TreeNode by_name = folder([image] {
        Entries entries;
        for (const auto& [name, topic] : image->topics.by_name())
            entries.push_back({std::string(name), topic_node(topic)});
        return entries;
    });
    return folder([by_id, by_name] { return Entries{{"byId", by_id}, {"byName", by_name}}; });
}

TreeNode configs_node(const ImagePtr& image) {
    return folder([image] {
        Entries entries;
        for (const auto& [resource, configs] : image->configs) {
            std::string name(name_of(resource.type));
            if (!resource.name.empty()) name += ":" + resource.name;
            TreeNode node = folder([shared = configs] {
                Entries values;
                for (const auto& [key, value] : *shared) values.push_back({key, leaf(value)});
                return values;
            });
            entries.push_back({std::move(name), std::move(node)});
        }
        return entries;
    });
}

TreeNode quotas_node(const ImagePtr& image) {
    return folder([image] {
        Entries entries;
        for (const auto& [entity, quotas] : image->quotas) {
            TreeNode node = folder([shared = quotas] {
                Entries values;
                for (const auto& [key, value] : *shared)
                    values.push_back({key, leaf(config::to_text(value))});
                return values;
            });
            entries.push_back({quota_folder_name(entity), std::move(node)});
        }
        return entries;
    });
}

TreeNode features_node(const ImagePtr& image) {
    return folder([image] {
        const Features& features = image->features;
        std::string version =
            features.metadata_version
                ? fmt::format("Optional[{}]", features.metadata_version->release())
                : "Optional.empty";
        Entries entries{{"metadataVersion", leaf(std::move(version))}};
        for (const auto& [name, level] : features.levels)
            entries.push_back({"finalized_" + name, leaf(std::to_string(level))});
        return entries;
    });
}

TreeNode scram_node(const ImagePtr& image) {
    auto of_mechanism = [image](std::int8_t mechanism) {
        return folder([image, mechanism] {
            Entries entries;
            for (const auto& [user, credential] : image->scram) {
                if (user.mechanism != mechanism) continue;
                TreeNode node;
                node.text = [shared = credential] { return text_of(*shared); };
                entries.push_back({user.name, std::move(node)});
            }
            return entries;
        });
    };
    return folder([of_mechanism] {
        return Entries{{"SCRAM-SHA-256", of_mechanism(1)}, {"SCRAM-SHA-512", of_mechanism(2)}};
    });
}

TreeNode cluster_node(const ImagePtr& image) {
    auto number = [](std::int32_t id) { return std::to_string(id); };
    auto text = [](std::int32_t, const auto& node) { return text_of(node); };
    TreeNode brokers = folder_of(image, image->brokers, number, text);
    TreeNode controllers = folder_of(image, image->controllers, number, text);
    return folder([brokers, controllers] {
        return Entries{{"brokers", brokers}, {"controllers", controllers}};
    });
}

TreeNode acls_node(const ImagePtr& image) {
    auto name = [](const Uuid& id) { return id.to_string(); };
    auto text = [](const Uuid&, const Acl& acl) { return text_of(acl); };
    TreeNode by_id = folder_of(image, image->acls, name, text);
    return folder([by_id] { return Entries{{"byId", by_id}}; });
}

TreeNode tokens_node(const ImagePtr& image) {
    auto name = [](const std::string& id) { return id; };
    auto text = [](const std::string& id, const DelegationToken& token) {
        return text_of(id, token);
    };
    return folder_of(image, image->tokens, name, text);
}

}  // namespace

TreeNode leaf(std::string text) {
    TreeNode node;
    node.text = [text = std::move(text)] { return text; };
    return node;
}

TreeNode folder(std::function<std::vector<TreeEntry>()> entries) {
    TreeNode node;
    node.entries = [entries = std::move(entries)] {
        Entries sorted = entries();
        std::ranges::sort(sorted, {}, &TreeEntry::name);
        return sorted;
    };
    return node;
}

std::string quota_folder_name(const QuotaEntity& entity) {
    std::string name;
    for (const QuotaEntityPart& part : entity) {
        if (!name.empty()) name += '_';
        name += part.type == "client-id" ? "clientId" : part.type;
        name += '(';
        if (!part.name) name += "<default>";
        for (char c : part.name.value_or("")) {
            // So that no name of a client looks like the default's.
            if (c == '\\' || c == '(' || c == ')' || (c == '<' && name.ends_with('(')))
                name += '\\';
            name += c;
        }
        name += ')';
    }
    return name;
}

TreeNode image_tree(ImagePtr image, const Provenance& provenance) {
    std::string last = fmt::format("offset {}, epoch {}, time {}", provenance.offset,
                                   provenance.epoch, time_text(provenance.time));
    std::string next_id = std::to_string(image->next_producer_id);
    TreeNode ids = folder([next_id] { return Entries{{"nextProducerId", leaf(next_id)}}; });
    return folder([image = std::move(image), last, ids] {
        return Entries{{"acls", acls_node(image)},
                       {"clientQuotas", quotas_node(image)},
                       {"cluster", cluster_node(image)},
                       {"configs", configs_node(image)},
                       {"delegationToken", tokens_node(image)},
                       {"features", features_node(image)},
                       {"producerIds", ids},
                       {"provenance", leaf(last)},
                       {"scram", scram_node(image)},
                       {"topics", topics_node(image)}};
    });
}

}  // namespace millrace::metadata
