#include "limit/followers.h"

#include <algorithm>

namespace millrace::bench {
namespace {
// A message is received as a whole.
constexpr std::uint64_t most_of_a_message = 1 << 20;
}  // namespace

void Followers::add(Connection& connection) {
    connection.follows = true;
    followers_.push_back({&connection, std::vector<std::uint64_t>(partitions_.size()),
                          std::vector<std::uint64_t>(partitions_.size())});
}

void Followers::remove(Connection& connection) {
    std::erase_if(followers_, [&](const Follower& one) { return one.connection == &connection; });
}

void Followers::take_acknowledgement(Connection& connection, Fields fields) {
    auto follower = std::ranges::find(followers_, &connection, &Follower::connection);
    while (!fields.empty()) {
        auto partition = fields.number<std::int32_t>();
        follower->has.at(static_cast<std::size_t>(partition)) = fields.number<std::uint64_t>();
    }
}

void Followers::send() {
    for (Follower& follower : followers_) {
        while (!follower.connection->busy() && send_next(follower)) {
        }
    }
}

bool Followers::send_next(Follower& follower) {
    for (std::size_t i = 0; i < partitions_.size(); ++i) {
        std::uint64_t& sent = follower.sent[i];
        if (sent == partitions_[i]->size()) continue;
        // Whole batches: the follower has no use for others.
        std::uint64_t end = partitions_[i]->end_of_batches(sent, most_of_a_message);
        Connection& connection = *follower.connection;
        Writer message(connection.out);
        message.number(static_cast<std::int32_t>(i));
        message.end(end - sent);
        connection.range_file = partitions_[i]->file();
        connection.range_at = sent;
        connection.range_size = end - sent;
        sent = end;
        connection.flush();
        return true;
    }
    return false;
}

std::uint64_t Followers::taken_over(std::size_t partition) const {
    if (followers_.size() < wanted_) return 0;
    std::uint64_t least = partitions_[partition]->size();
    for (const Follower& one : followers_) least = std::min(least, one.has[partition]);
    return least;
}

void ask_to_follow(std::vector<std::uint8_t>& out) {
    Writer message(out);
    message.number(follow_key);
    message.number<std::int16_t>(0);
    message.number<std::int32_t>(0);
    message.string({});
    message.end();
}

void acknowledge(std::vector<std::uint8_t>& out, const Followers::Partitions& partitions,
                 const std::vector<int>& grown) {
    Writer message(out);
    for (int index : grown) {
        message.number(static_cast<std::int32_t>(index));
        message.number(partitions[static_cast<std::size_t>(index)]->size());
    }
    message.end();
}

}  // namespace millrace::bench
