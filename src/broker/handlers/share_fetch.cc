// ShareFetch (key 78): acquires records for a member of a share group, in its share session
// (KIP-932), and carries its acknowledgements of others.
//
// When less than MinBytes is there the request waits for at most MaxWaitMs, woken by new records
// and by such as other members give back; an error is told at once. What a partition has goes to
// the oldest of the fetches that want it (broker/share/fetch_line.h): a member that reads many
// partitions is slower than one that reads a single one, and must not starve beside it. Partitions
// have records in turn, and no more than MaxRecords in all, but for whole batches. A client that
// its quota on fetches has wait gets none.

#include "protocol/share_fetch.h"

#include <algorithm>
#include <map>
#include <set>

#include "broker/client_quotas.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/share/share_requests.h"
#include "broker/share/share_sessions.h"
#include "config/broker_config.h"

namespace millrace::broker {
namespace {

using Request = ShareFetchRequest;
using Response = ShareFetchResponse;

// Of a fetch that others are faster than, before it tells so.
constexpr int most_tries = 10;

struct Item {
    TopicIdPartition id;
    LedShare::Reading reading;
    LedShare::Acquired acquired;
    std::string message;   // of an error
    bool counts = false;   // as a request for its topic, when it is read first
    bool in_line = false;  // of the partition, or perhaps
};

struct Wanted {
    const Request& request;
    const ShareSessions::Member& member;
    FetchTicket ticket;
    std::uint64_t partition_bytes = 0;  // at most, but for a first batch
    std::uint64_t min_bytes = 0;        // of all
};

bool is_error(ErrorCode code) {
    return code != ErrorCode::none && code != ErrorCode::leader_not_available;
}

// By shard, as their turn comes.
using ByShard = std::vector<std::pair<int, std::vector<Item*>>>;

ByShard by_shard(const ShareLeaders& leaders, std::vector<Item>& items) {
    ByShard all;
    for (Item& item : items) {
        int shard = leaders.shard_of(item.id);
        auto known = std::ranges::find(all, shard, &ByShard::value_type::first);
        if (known == all.end()) known = all.insert(all.end(), {shard, {}});
        known->second.push_back(&item);
    }
    return all;
}

// The fetch wants no more of any partition, but perhaps one.
void leave_lines(ShareSessions& sessions, const Wanted& wanted, std::vector<Item>& items,
                 const Item* kept = nullptr) {
    std::vector<TopicIdPartition> left;
    for (Item& item : items) {
        if (&item != kept && std::exchange(item.in_line, false)) left.push_back(item.id);
    }
    if (!left.empty()) sessions.leave(wanted.member, wanted.ticket, std::move(left));
}

Task<void> read_there(SharePartitions& shares, Partitions& partitions, const Wanted& wanted,
                      Item& item, bool remote) {
    item.in_line = true;
    auto share = shares.open(partitions, wanted.member.group_id, item.id);
    if (!share) {
        item.reading = {.error = share.error()};
        co_return;
    }
    if (std::exchange(item.counts, false)) shares.metrics().fetch_request((*share)->topic());
    item.reading = co_await (*share)->read({.ticket = wanted.ticket,
                                            .member_id = wanted.member.member_id,
                                            .max_bytes = wanted.partition_bytes,
                                            .remote = remote});
    if (is_error(item.reading.error)) item.message = (*share)->why();
}

// What was read of all is enough to answer.
bool is_enough(const Wanted& wanted, const std::vector<Item>& items) {
    std::uint64_t bytes = 0;
    for (const Item& item : items) {
        if (is_error(item.reading.error)) return true;
        bytes += item.reading.records.size();
    }
    return bytes > 0 && bytes >= wanted.min_bytes;
}

Task<void> read_all(ShareLeaders& leaders, const Wanted& wanted, const ByShard& shards) {
    for (const auto& [shard, group] : shards) {
        const std::vector<Item*>& there = group;
        co_await leaders.on(shard,
                            [&](SharePartitions& shares, Partitions& partitions) -> Task<void> {
                                for (Item* item : there)
                                    co_await read_there(shares, partitions, wanted, *item, false);
                            });
    }
}

// What is in remote storage takes its time, in which nobody is to wait for the fetch elsewhere.
Task<void> read_remote(ShareLeaders& leaders, ShareSessions& sessions, const Wanted& wanted,
                       Item& item, std::vector<Item>& items) {
    leave_lines(sessions, wanted, items, &item);
    co_await leaders.on(leaders.shard_of(item.id),
                        [&](SharePartitions& shares, Partitions& partitions) {
                            return read_there(shares, partitions, wanted, item, true);
                        });
}

Task<void> acquire(ShareLeaders& leaders, const Wanted& wanted, std::vector<Item>& items) {
    std::int64_t room = wanted.request.max_records;
    for (Item& item : items) {
        if (item.reading.batches.empty() || room <= 0) continue;
        auto there = [&](SharePartitions& shares, Partitions&) -> Task<LedShare::Acquired> {
            std::shared_ptr<LedShare> share = shares.find(wanted.member.group_id, item.id);
            if (!share) co_return LedShare::Acquired{};
            auto mode = static_cast<share::AcquireMode>(wanted.request.share_acquire_mode);
            auto acquired = share->acquire(wanted.member.member_id, mode, wanted.request.batch_size,
                                           room, item.reading);
            if (!acquired.acquired.empty()) {
                share->leave(wanted.ticket);
                item.in_line = false;
            }
            co_return acquired;
        };
        item.acquired = co_await leaders.on(leaders.shard_of(item.id), there);
        room -= item.acquired.count;
    }
}

// Ends when one of the partitions of a shard has what was not there before.
Task<void> wait_there(SharePartitions& shares, const Wanted& wanted,
                      const std::vector<Item*>& items) {
    std::vector<std::pair<std::shared_ptr<LedShare>, Item*>> held;
    std::vector<Arrivals*> watched;
    bool gone = false;
    for (Item* item : items) {
        std::shared_ptr<LedShare> share = shares.find(wanted.member.group_id, item->id);
        gone = gone || !share;
        if (!share) continue;
        share->rest(wanted.ticket, item->reading);
        share->watch(item->reading, watched);
        held.emplace_back(std::move(share), item);
    }
    auto has_news = [&](const auto& entry) {
        return entry.first->has_news(wanted.ticket, entry.second->reading);
    };
    while (!gone && std::ranges::none_of(held, has_news)) co_await ArrivalWait(watched);
}

Task<void> wait_for_news(ShareLeaders& leaders, const Wanted& wanted, const ByShard& shards) {
    Condition news;
    bool arrived = false;
    auto wait = [&](int shard, const std::vector<Item*>& group) -> Task<void> {
        co_await leaders.on(shard, [&](SharePartitions& shares, Partitions&) {
            return wait_there(shares, wanted, group);
        });
        arrived = true;
        news.notify_all();
    };
    co_await with_scope([&](Scope& scope) -> Task<void> {
        for (const auto& [shard, group] : shards) scope.spawn(wait(shard, group));
        while (!arrived) co_await news.wait();
    });
}

// Reads until there is something to acquire, or nothing more to wait for; whether the wait was
// over.
Task<bool> read_until_enough(ShareLeaders& leaders, ShareSessions& sessions, const Wanted& wanted,
                             Time deadline, std::vector<Item>& items) {
    env::Shard& here = leaders.here();
    ByShard shards = by_shard(leaders, items);
    for (;;) {
        co_await read_all(leaders, wanted, shards);
        bool enough = is_enough(wanted, items);
        // What is in remote storage has its turn where its partition is the first, too.
        auto remote =
            std::ranges::find_if(items, [](const Item& item) { return item.reading.is_remote; });
        if (remote != items.end() && (!enough || remote == items.begin())) {
            co_await read_remote(leaders, sessions, wanted, *remote, items);
            co_return false;
        }
        if (enough) co_return false;
        if (here.now() >= deadline) co_return true;
        bool news =
            co_await env::with_deadline(here, deadline, wait_for_news(leaders, wanted, shards));
        if (!news) co_return true;
    }
}

// What would be sent of what was read: whole batches, until there are enough records.
std::uint64_t bytes_to_send(const Wanted& wanted, const std::vector<Item>& items) {
    std::uint64_t bytes = 0;
    std::int64_t room = wanted.request.max_records;
    for (const Item& item : items) {
        const LedShare::Reading& reading = item.reading;
        for (std::size_t i = 0; i < reading.batches.size() && room > 0; ++i) {
            bytes += reading.ends[i] - (i == 0 ? 0 : reading.ends[i - 1]);
            room -= reading.batches[i].size();
        }
    }
    return bytes;
}

// The places of a fetch in the lines of its partitions, for as long as it lives.
struct Places {
    ShareSessions& sessions;
    const Wanted& wanted;
    std::vector<Item>& items;
    ~Places() { leave_lines(sessions, wanted, items); }
};

// Others had what was read, as they had looked before this fetch was in line.
bool was_late(const std::vector<Item>& items) {
    bool read = false;
    for (const Item& item : items) {
        if (is_error(item.reading.error) || !item.acquired.acquired.empty()) return false;
        read = read || !item.reading.batches.empty();
    }
    return read;
}

// Whether a partition was its own to take from, and had room.
std::size_t had(const std::vector<Item>& items) {
    return static_cast<std::size_t>(
        std::ranges::count_if(items, [](const Item& item) { return item.reading.offset >= 0; }));
}

// How long quotas have the client wait. It is asked before anything is acquired: what a client is
// not given must not be held for it.
Task<Duration> fetch_and_acquire(ShareLeaders& leaders, ClientQuotas& quotas,
                                 ShareSessions& sessions, const Caller& caller,
                                 const Wanted& wanted, Time deadline, std::vector<Item>& items) {
    Places places{sessions, wanted, items};
    for (int tries = 0; tries < most_tries; ++tries) {
        bool expired = co_await read_until_enough(leaders, sessions, wanted, deadline, items);
        if (expired) sessions.metrics().fetch_expired();
        if (tries == 0) {
            sessions.metrics().fetched(wanted.member.group_id, had(items), items.size(),
                                       leaders.here().now() - caller.request.received);
        }
        if (tries == 0 && quotas.any()) [[unlikely]] {
            Duration wait = co_await quotas.fetched(caller.request, bytes_to_send(wanted, items));
            if (wait > Duration()) co_return wait;
        }
        co_await acquire(leaders, wanted, items);
        if (expired || !was_late(items)) break;
    }
    co_return Duration();
}

std::uint64_t failed_topics(const std::vector<Item>& items) {
    std::set<Uuid> topics;
    for (const Item& item : items)
        if (is_error(item.reading.error)) topics.insert(item.id.topic_id);
    return topics.size();
}

// What the session asks for and this node knows of; what is unknown has its error already.
std::vector<Item> items_of(const ShareSessions::Plan& plan, const metadata::Image& image,
                           std::vector<Item>& unknown) {
    std::vector<Item> items;
    std::set<Uuid> counted;
    for (const TopicIdPartition& id : plan.partitions) {
        Item item{.id = id};
        const metadata::Topic* topic = image.topics.find(id.topic_id);
        if (topic != nullptr && topic->partition(id.partition) != nullptr) {
            item.counts = counted.insert(id.topic_id).second;
            items.push_back(std::move(item));
            continue;
        }
        item.reading.error =
            topic == nullptr ? ErrorCode::unknown_topic_id : ErrorCode::unknown_topic_or_partition;
        unknown.push_back(std::move(item));
    }
    return items;
}

class Building {
  public:
    Building(Response& response, const metadata::Image& image, std::string listener)
        : response_(response), hints_(image, std::move(listener), response) {}

    void put(Item& item) {
        Response::PartitionData& data = at(item.id);
        bool loading = item.reading.error == ErrorCode::leader_not_available;
        data.error_code = loading ? ErrorCode::none : item.reading.error;
        if (!item.message.empty()) data.error_message = std::move(item.message);
        data.records = Chain(std::move(item.acquired.records));
        for (const share::AcquiredRecords& each : item.acquired.acquired) {
            data.acquired_records.push_back({.first_offset = each.first,
                                             .last_offset = each.last,
                                             .delivery_count = each.delivery_count});
        }
        hints_.put(item.id, data);
    }
    void put(const Acknowledging& acknowledging) {
        Response::PartitionData& data = at(acknowledging.id);
        data.acknowledge_error_code = acknowledging.outcome.code;
        if (!acknowledging.outcome.message.empty())
            data.acknowledge_error_message = acknowledging.outcome.message;
    }

  private:
    Response::PartitionData& at(const TopicIdPartition& id) {
        auto [place, made] = places_.try_emplace(id);
        if (made) {
            auto [topic, first] = topics_.try_emplace(id.topic_id, response_.responses.size());
            if (first) response_.responses.push_back({.topic_id = id.topic_id});
            auto& partitions = response_.responses[topic->second].partitions;
            place->second = {topic->second, partitions.size()};
            partitions.push_back({.partition_index = id.partition, .records = Chain()});
        }
        return response_.responses[place->second.first].partitions[place->second.second];
    }

    Response& response_;
    LeaderHints<Response> hints_;
    std::map<Uuid, std::size_t> topics_;
    std::map<TopicIdPartition, std::pair<std::size_t, std::size_t>> places_;
};

// A request that renews is to fetch nothing.
bool renews_only(const Request& request) {
    return request.max_bytes == 0 && request.min_bytes == 0 && request.max_records == 0 &&
           request.max_wait_ms == 0;
}

ShareSessions::Change change_of(const Request& request, const Caller& caller) {
    ShareSessions::Change change{.epoch = request.share_session_epoch,
                                 .added = {},
                                 .forgotten = {},
                                 .peer = caller.peer().id};
    for (const auto& topic : request.topics) {
        for (const auto& partition : topic.partitions) {
            change.added.push_back({topic.topic_id, partition.partition_index});
            change.acknowledges = change.acknowledges || !partition.acknowledgement_batches.empty();
        }
    }
    for (const auto& topic : request.forgotten_topics_data) {
        for (std::int32_t partition : topic.partitions)
            change.forgotten.push_back({topic.topic_id, partition});
    }
    return change;
}

Answer<Response> refused(ErrorCode error) {
    return {.response = Response{.error_code = error}, .close_reason = {}, .keep = {}};
}

Task<Answer<Response>> answer(const Request& request, const Caller& caller, MetadataCache& cache,
                              ShareSessions& sessions, ShareLeaders& leaders,
                              const config::BrokerConfig& config, ClientQuotas& quotas) {
    metadata::ImagePtr image = cache.image();
    ErrorCode error = check_member(*image, request.group_id, request.member_id);
    if (error != ErrorCode::none) co_return refused(error);
    if (request.is_renew_ack && !renews_only(request))
        co_return refused(ErrorCode::invalid_request);
    env::Shard& here = leaders.here();
    Time deadline = caller.request.received + Duration::milliseconds(request.max_wait_ms);
    ShareSessions::Member member{*request.group_id, *request.member_id};
    ShareSessions::Plan plan = sessions.fetch(member, change_of(request, caller));
    if (plan.error != ErrorCode::none) {
        // Not to be asked again at once.
        if (plan.error == ErrorCode::share_session_limit_reached)
            co_await env::sleep_for(here, deadline - here.now());
        co_return refused(plan.error);
    }
    std::uint64_t max_bytes = static_cast<std::uint64_t>(
        std::max(0, std::min(request.max_bytes, config.fetch_max_bytes())));
    if (quotas.any()) [[unlikely]]
        max_bytes = std::min(max_bytes, quotas.most_to_fetch(caller.request));
    std::vector<Acknowledging> acknowledging =
        acknowledging_of(request.topics, request.is_renew_ack);
    std::vector<Item> unknown;
    std::vector<Item> items = items_of(plan, *image, unknown);
    Wanted wanted{.request = request,
                  .member = member,
                  .ticket = sessions.ticket(caller.request.received),
                  .partition_bytes = max_bytes / std::max<std::size_t>(items.size(), 1),
                  .min_bytes = std::min(static_cast<std::uint64_t>(std::max(0, request.min_bytes)),
                                        max_bytes)};
    bool reads =
        !items.empty() && max_bytes > 0 && request.max_records > 0 && !request.is_renew_ack;
    if (reads) {
        for (const Item& item : items) sessions.touch(member, item.id);
    }
    std::optional<Duration> wait;
    co_await with_scope([&](Scope& scope) -> Task<void> {
        scope.spawn(
            acknowledge_all(leaders, *image, member.group_id, member.member_id, acknowledging));
        if (reads)
            wait = co_await fetch_and_acquire(leaders, quotas, sessions, caller, wanted,
                                              unknown.empty() ? deadline : here.now(), items);
        co_await scope.join();
    });

    Response response{.acquisition_lock_timeout_ms =
                          lock_duration_ms(*image, config, member.group_id)};
    Building building(response, *image, caller.peer().listener->name);
    std::ranges::move(unknown, std::back_inserter(items));
    for (Item& item : items) {
        bool failed = is_error(item.reading.error);
        if (failed) sessions.note_error(member, item.id);
        if (failed || !item.acquired.acquired.empty() || plan.news.contains(item.id))
            building.put(item);
    }
    for (const Acknowledging& each : acknowledging) building.put(each);
    sessions.metrics().fetch_failed(failed_topics(items));
    sessions.metrics().acknowledge_failed(failed_topics(acknowledging));
    if (request.share_session_epoch == ShareSessions::final_epoch) sessions.end(member);
    co_return Answer<Response>{
        .response = std::move(response), .close_reason = {}, .keep = {}, .throttle = wait};
}

}  // namespace

constinit const Handler handlers::share_fetch = serve<answer>;

}  // namespace millrace::broker
