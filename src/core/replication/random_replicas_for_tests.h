#pragma once

#include <algorithm>
#include <fmt/format.h>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "core/replication/follower.h"
#include "core/replication/leader.h"
#include "core/replication/replication_for_tests.h"

// Replicas of one partition that crash, lag and are cut off, a controller, and a network that
// delays, loses and reorders, from one seed: what is committed stays, logs match below the high
// watermark, the high watermark never moves back.
namespace millrace::replication {

inline constexpr Duration max_lag = Duration::milliseconds(500);
inline constexpr Duration backoff = Duration::milliseconds(50);

struct Record {
    std::int32_t epoch = 0;
    std::uint64_t value = 0;
    bool operator==(const Record&) const = default;
};

struct TestLog {
    std::vector<Record> records;
    std::optional<std::int32_t> begun;  // an epoch that has no record yet
    Offset synced = 0;

    Offset end() const { return static_cast<Offset>(records.size()); }
    std::optional<std::int32_t> latest() const {
        if (begun) return begun;
        if (records.empty()) return std::nullopt;
        return records.back().epoch;
    }
    // As storage::LeaderEpochs.
    std::optional<EpochEnd> end_of(std::int32_t epoch) const {
        if (!latest() || epoch > *latest()) return std::nullopt;
        auto higher = std::ranges::upper_bound(records, epoch, {}, &Record::epoch);
        Offset end = higher - records.begin();
        return EpochEnd{higher == records.begin() ? epoch : std::prev(higher)->epoch, end};
    }
    void truncate(Offset to) {
        records.resize(static_cast<std::size_t>(std::min(to, end())));
        synced = std::min(synced, end());
        begun.reset();
    }
};

struct Replica {
    std::int32_t id = 0;
    TestLog log;
    Offset high_watermark = 0;
    // Of this life.
    bool alive = true;
    std::int64_t broker_epoch = 0;
    metadata::Image image;
    metadata::Partition state;
    std::unique_ptr<Leader> leader;
    std::unique_ptr<Follower> follower;
    bool asking = false;
    std::uint64_t life = 0;
};

// What is wrong with the brokers: with the rules they follow, or with what drives them, and with
// the controller.
struct Planted {
    const Rules* rules = &kafka_rules;
    bool zombies_obeyed = false;  // the controller takes an ISR of a leader that has been replaced
    bool unclean_election = false;    // it has who is not in sync lead
    bool unsynced_fetched = false;    // a fetch says that what is not synced is
    bool late_answers_taken = false;  // bytes of an earlier connection count
    bool epochs_unstamped = false;    // records bear the epoch of those before
};

class Play {
  public:
    Play(std::uint64_t seed, std::int32_t min_isr, const Planted& planted = {})
        : random_(seed), planted_(planted), min_isr_(min_isr) {
        state_ = led_by(0, {0, 1, 2}, {0, 1, 2});
        for (std::int32_t id = 0; id < 3; ++id) {
            Replica& replica = replicas_.emplace_back();
            replica.id = id;
            register_broker(replica);
        }
        publish();
    }

    void run(int turns) {
        for (int i = 0; i < turns && broken_.empty(); ++i) {
            now_ = now_ + Duration::milliseconds(random_.between(0, 20));
            turn(random_.unit());
            check();
        }
    }
    // Nothing fails any more: all come level.
    void heal() {
        loss_ = 0;
        for (Replica& replica : replicas_) {
            if (!replica.alive) start(replica);
        }
        for (int i = 0; i < 4'000 && broken_.empty(); ++i) {
            now_ = now_ + Duration::milliseconds(5);
            turn(0.9 * random_.unit());
            check();
            if (level()) return;
        }
        demand(level(), "the replicas did not come level");
    }
    std::size_t committed() const { return committed_.size(); }
    // The first law that was broken; empty while none is.
    const std::string& broken() const { return broken_; }

  private:
    void turn(double choice) {
        Replica& one = replicas_[random_.below(3)];
        if (choice < 0.55) {
            deliver();
        } else if (choice < 0.65) {
            if (one.alive) sync(one);
        } else if (choice < 0.80) {
            if (one.alive && one.follower) ask(one);
        } else if (choice < 0.87) {
            if (one.alive && one.leader) act(one, LagChecked{});
        } else if (choice < 0.95) {
            if (one.alive && one.leader && producing()) append(one);
        } else if (choice < 0.965) {
            if (one.alive) crash(one);
        } else if (choice < 0.99) {
            if (!one.alive) start(one);
        } else if (loss_ > 0) {
            elect_another();
        }
    }
    bool producing() const { return loss_ > 0; }

    // --- The network -------------------------------------------------------------------------
    void send(std::function<void()> message) { messages_.push_back(std::move(message)); }
    void deliver() {
        if (messages_.empty()) return;
        std::size_t at = random_.chance(0.7) ? 0 : random_.below(messages_.size());
        auto message = std::move(messages_[at]);
        messages_.erase(messages_.begin() + static_cast<std::ptrdiff_t>(at));
        message();
    }
    bool lost() { return random_.chance(loss_); }

    // --- The controller ----------------------------------------------------------------------
    void register_broker(Replica& replica) {
        replica.broker_epoch = ++broker_epochs_;
        image_ = with_broker(image_, replica.id, replica.broker_epoch);
    }
    bool is_fenced(std::int32_t id) const { return image_.active_broker(id) == nullptr; }
    void fence(const Replica& replica) {
        image_ = with_broker(image_, replica.id, replica.broker_epoch, true);
        if (state_.isr.size() > 1 && std::erase(state_.isr, replica.id) > 0) ++state_.epoch;
        if (state_.leader == replica.id) lead(metadata::no_leader);
        elect();
        publish();
    }
    void elect() {
        if (state_.leader != metadata::no_leader) return;
        for (std::int32_t id : state_.isr) {
            if (!is_fenced(id)) return lead(id);
        }
        if (!planted_.unclean_election) return;
        for (std::int32_t id : state_.replicas) {
            if (is_fenced(id)) continue;
            state_.isr = {id};
            return lead(id);
        }
    }
    void elect_another() {
        if (state_.isr.empty()) return;
        std::int32_t id = state_.isr[random_.below(state_.isr.size())];
        if (is_fenced(id)) return;
        lead(id);
        publish();
    }
    void lead(std::int32_t id) {
        state_.leader = id;
        ++state_.leader_epoch;
        ++state_.epoch;
    }
    ErrorCode alter(std::int32_t leader, const IsrChange& change) {
        if (!planted_.zombies_obeyed) {
            if (change.leader_epoch < state_.leader_epoch) return ErrorCode::fenced_leader_epoch;
            if (leader != state_.leader) return ErrorCode::invalid_request;
            if (change.partition_epoch < state_.epoch) return ErrorCode::invalid_update_version;
        }
        BrokerIds isr;
        for (const auto& [id, epoch] : change.isr) {
            const metadata::Broker* broker = image_.active_broker(id);
            bool may = broker != nullptr && (epoch == -1 || epoch == broker->epoch);
            if (!may) return ErrorCode::ineligible_replica;
            isr.push_back(id);
        }
        state_.isr = std::move(isr);
        ++state_.epoch;
        publish();
        return ErrorCode::none;
    }
    // Images come in order, each at its own time.
    void publish() {
        ++image_.offset;
        for (Replica& replica : replicas_) {
            send([this, &replica, life = replica.life, image = image_, state = state_] {
                if (replica.alive && replica.life == life) learn(replica, image, state);
            });
        }
    }

    // --- The replicas ------------------------------------------------------------------------
    void learn(Replica& replica, const metadata::Image& image, const metadata::Partition& state) {
        if (image.offset < replica.image.offset) return;  // overtaken by a later one
        replica.image = image;
        bool new_epoch = state.leader_epoch != replica.state.leader_epoch;
        replica.state = state;
        if (!new_epoch) {
            if (replica.leader) act(replica, StateChanged{state, min_isr_});
            return;
        }
        replica.leader.reset();
        replica.follower.reset();
        replica.asking = false;
        ++replica.life;  // what it has asked in the epoch before counts for nothing
        republish(replica);
        if (state.leader == replica.id) {
            if (!planted_.epochs_unstamped) replica.log.begun = state.leader_epoch;
            replica.leader = std::make_unique<Leader>(replica.id, StateChanged{state, min_isr_},
                                                      replica.log.end(), replica.high_watermark,
                                                      now_, *planted_.rules);
            act(replica, LogMoved{replica.log.end(), replica.log.synced});
        } else if (state.leader != metadata::no_leader) {
            replica.follower =
                std::make_unique<Follower>(state.leader_epoch, backoff, *planted_.rules);
            carry_out(replica, replica.follower->step(FollowingBegan{}, frame(replica), now_), {});
        }
    }
    void republish(Replica& replica) {
        send([this, &replica, life = replica.life, image = image_, state = state_] {
            if (replica.alive && replica.life == life) learn(replica, image, state);
        });
    }
    void act(Replica& replica, const LeaderEvent& event) {
        LeaderActions actions = replica.leader->step(event, {now_, max_lag, replica.image});
        replica.high_watermark = replica.leader->high_watermark();
        if (actions.change) {
            if (actions.retry) now_ = now_ + backoff;
            tell(replica, *actions.change);
        }
    }
    void tell(Replica& replica, const IsrChange& change) {
        auto answer = [this, &replica, life = replica.life, change](ErrorCode error) {
            send([this, &replica, life, change, error, state = state_] {
                if (!replica.alive || replica.life != life || !replica.leader) return;
                act(replica, ChangeAnswered{error, change.partition_epoch, state.isr,
                                            state.leader_epoch, state.epoch});
            });
        };
        send([this, id = replica.id, change, answer] {
            if (lost()) return answer(ErrorCode::network_exception);
            ErrorCode error = alter(id, change);
            answer(lost() ? ErrorCode::network_exception : error);
        });
    }
    void append(Replica& leader) {
        std::int32_t epoch = leader.state.leader_epoch;
        if (planted_.epochs_unstamped) epoch = leader.log.latest().value_or(epoch);
        leader.log.records.push_back({epoch, ++values_});
        leader.log.begun.reset();
        act(leader, LogMoved{leader.log.end(), leader.log.synced});
    }
    void sync(Replica& replica) {
        replica.log.synced = replica.log.end();
        if (replica.leader) act(replica, LogMoved{replica.log.end(), replica.log.synced});
    }
    static FollowerLog frame(const Replica& replica) {
        return {.start = 0,
                .end = replica.log.end(),
                .high_watermark = replica.high_watermark,
                .has_epochs = replica.log.latest().has_value()};
    }

    struct Ask {
        std::int32_t id;
        std::int64_t broker_epoch;
        std::int32_t leader_epoch;
        Offset offset;
        std::int32_t last_epoch;
    };
    struct Told {
        FetchAnswered answer;
        std::vector<Record> records;
    };
    void ask(Replica& replica) {
        Follower& follower = *replica.follower;
        if (replica.asking || follower.need(now_) == Follower::Need::nothing) return;
        if (!planted_.unsynced_fetched) replica.log.synced = replica.log.end();
        replica.asking = true;
        bool offsets = follower.need(now_) == Follower::Need::offsets;
        Replica& leader = replicas_[static_cast<std::size_t>(replica.state.leader)];
        Ask asked{replica.id, replica.broker_epoch, follower.leader_epoch(), replica.log.end(),
                  replica.log.latest().value_or(-1)};
        std::uint64_t life = replica.life;
        send([this, &leader, &replica, life, asked, offsets] {
            auto back = [this, &replica, life](FollowerEvent event, std::vector<Record> records) {
                send([this, &replica, life, event, records] {
                    hear(replica, life, event, records);
                });
            };
            bool unreachable = lost() || !leader.alive;
            if (offsets) {
                ErrorCode error = unreachable ? ErrorCode::network_exception : check(leader, asked);
                return back(OffsetsAnswered{error, 0, leader.log.end()}, {});
            }
            Told told;
            if (unreachable) {
                told.answer.error = ErrorCode::network_exception;
            } else {
                told = serve(leader, asked);
            }
            if (lost()) told = {{.error = ErrorCode::network_exception}, {}};
            back(told.answer, told.records);
        });
    }
    ErrorCode check(const Replica& leader, const Ask& asked) const {
        ErrorCode error =
            planted_.rules->judge_epoch(asked.leader_epoch, leader.state.leader_epoch);
        if (error != ErrorCode::none) return error;
        return leader.leader ? ErrorCode::none : ErrorCode::not_leader_or_follower;
    }
    Told serve(Replica& leader, const Ask& asked) {
        Told told;
        told.answer.error = check(leader, asked);
        if (told.answer.error != ErrorCode::none) return told;
        if (asked.last_epoch >= 0) {
            auto end = leader.log.end_of(asked.last_epoch);
            if (!end) return {{.error = ErrorCode::offset_out_of_range}, {}};
            if (planted_.rules->parts(*end, asked.last_epoch, asked.offset)) {
                told.answer.diverging = end;
                return told;
            }
        }
        if (asked.offset > leader.log.end()) return {{.error = ErrorCode::offset_out_of_range}, {}};
        act(leader, FollowerFetched{asked.id, asked.broker_epoch, asked.offset, 0});
        told.answer.high_watermark = leader.high_watermark;
        told.answer.log_start = 0;
        Offset upto = std::min(leader.log.end(), asked.offset + random_.between(0, 4));
        told.records.assign(leader.log.records.begin() + asked.offset,
                            leader.log.records.begin() + upto);
        told.answer.has_records = !told.records.empty();
        return told;
    }
    void hear(Replica& replica, std::uint64_t life, FollowerEvent event,
              const std::vector<Record>& records) {
        bool late = replica.life != life && !planted_.late_answers_taken;
        if (!replica.alive || late || !replica.follower) return;
        replica.asking = false;
        if (auto* answer = std::get_if<FetchAnswered>(&event); answer && answer->diverging) {
            answer->own = replica.log.end_of(answer->diverging->epoch);
        }
        carry_out(replica, replica.follower->step(event, frame(replica), now_), records);
    }
    void carry_out(Replica& replica, const FollowerActions& actions,
                   const std::vector<Record>& records) {
        if (actions.truncate_to) {
            demand(*actions.truncate_to >= replica.high_watermark, "committed records are cut");
            replica.log.truncate(*actions.truncate_to);
        }
        demand(!actions.begin_anew_at, "a log that has all of its records begins anew");
        if (actions.append) {
            replica.log.begun.reset();
            for (const Record& record : records) replica.log.records.push_back(record);
        }
        if (actions.high_watermark) {
            Offset heard =
                planted_.rules->heard_high_watermark(*actions.high_watermark, replica.log.end());
            replica.high_watermark = std::max(replica.high_watermark, heard);
        }
    }

    // The power fails: what is not synced goes.
    void crash(Replica& replica) {
        replica.alive = false;
        ++replica.life;
        replica.leader.reset();
        replica.follower.reset();
        replica.log.truncate(replica.log.synced);
        replica.high_watermark = std::min(replica.high_watermark, replica.log.end());
        send([this, &replica, life = replica.life] {
            if (!replica.alive && replica.life == life) fence(replica);
        });
    }
    void start(Replica& replica) {
        if (!is_fenced(replica.id)) fence(replica);
        bool may_be_wiped = !metadata::contains(state_.isr, replica.id) && random_.chance(0.3);
        if (may_be_wiped) replica.log = {};
        // The checkpoint may be an old one.
        replica.high_watermark =
            random_.between(0, std::min(replica.high_watermark, replica.log.end()));
        replica.alive = true;
        ++replica.life;
        replica.asking = false;
        replica.state = {};
        replica.image = {};
        register_broker(replica);
        elect();
        publish();
    }

    // --- The laws ----------------------------------------------------------------------------
    void demand(bool law, std::string_view otherwise) {
        if (!law && broken_.empty()) broken_ = otherwise;
    }
    void check() {
        for (const Replica& replica : replicas_) {
            if (replica.alive) check(replica);
        }
        if (!broken_.empty() || state_.leader == metadata::no_leader) return;
        demand(metadata::contains(state_.isr, state_.leader), "the leader is not in sync");
        const Replica& leader = replicas_[static_cast<std::size_t>(state_.leader)];
        bool leads = leader.alive && leader.leader && leader.state == state_;
        if (!leads) return;
        demand(leader.log.records.size() >= committed_.size() &&
                   std::equal(committed_.begin(), committed_.end(), leader.log.records.begin()),
               "the leader lacks what was committed");
    }
    void check(const Replica& replica) {
        Offset& before = high_watermarks_[{replica.id, replica.broker_epoch}];
        demand(replica.high_watermark >= before, "a high watermark has gone back");
        before = replica.high_watermark;
        demand(replica.high_watermark <= replica.log.end(), "a high watermark is beyond the log");
        if (!broken_.empty()) return;
        for (Offset at = 0; at < replica.high_watermark; ++at) {
            auto index = static_cast<std::size_t>(at);
            const Record& record = replica.log.records[index];
            if (index == committed_.size()) commit(record);
            demand(committed_[index] == record, "a replica differs below its high watermark");
        }
    }
    // It is on stable storage of as many replicas as acks=all promises.
    void commit(const Record& record) {
        auto index = committed_.size();
        auto has = [&](const Replica& replica) {
            return replica.log.synced > static_cast<Offset>(index) &&
                   replica.log.records[index] == record;
        };
        demand(std::ranges::count_if(replicas_, has) >= min_isr_,
               "a record is committed that too few replicas have");
        committed_.push_back(record);
    }
    bool level() const {
        return std::ranges::all_of(replicas_, [&](const Replica& replica) {
            return state_.isr.size() == 3 && replica.state == state_ &&
                   replica.high_watermark == replica.log.end() &&
                   replica.log.records == replicas_[0].log.records;
        });
    }

    Random random_;
    Planted planted_;
    std::int32_t min_isr_;
    Time now_ = Time() + Duration::seconds(1'000);
    double loss_ = 0.1;
    std::int64_t broker_epochs_ = 0;
    metadata::Image image_;
    metadata::Partition state_;
    std::vector<Replica> replicas_;
    std::vector<std::function<void()>> messages_;
    std::uint64_t values_ = 0;
    std::vector<Record> committed_;
    std::string broken_;
    std::map<std::pair<std::int32_t, std::int64_t>, Offset> high_watermarks_;
};

}  // namespace millrace::replication
