#include "core/groups/sticky_tasks.h"

#include <algorithm>
#include <bit>
#include <set>
#include <tuple>

#include "core/groups/java_order.h"
#include "core/groups/java_queue.h"
#include "core/groups/streams_group.h"

namespace millrace::groups {
namespace {

// A process and its members; how much it has decides who gets more.
struct Process {
    struct Loaded {
        std::string member;
        std::size_t tasks = 0;
    };
    struct LessLoaded {
        bool operator()(const Loaded& a, const Loaded& b) const { return a.tasks < b.tasks; }
    };
    using Members = JavaQueue<Loaded, LessLoaded>;

    std::string id;
    std::map<std::string, std::size_t> tasks_of_member;
    std::map<std::string, std::set<TaskId>> active;
    std::map<std::string, std::set<TaskId>> standby;
    std::set<TaskId> tasks;
    std::size_t count = 0;
    std::optional<Members> by_load;  // as long as nobody was given a task by name

    double load() const {
        return static_cast<double>(count) / static_cast<double>(tasks_of_member.size());
    }
    std::size_t give_to(const std::string& member, const TaskId& task, bool is_active) {
        by_load.reset();
        return give(member, task, is_active);
    }
    std::size_t give_to_least_loaded(const TaskId& task, bool is_active) {
        if (tasks_of_member.size() == 1)
            return give(tasks_of_member.begin()->first, task, is_active);
        if (!by_load) {
            std::vector<Loaded> members;
            for (const auto& [member, each] : tasks_of_member) members.push_back({member, each});
            put_in_table_order(members, grown_table(members.size()),
                               [](const Loaded& each) -> std::string_view { return each.member; });
            by_load.emplace(LessLoaded());
            for (Loaded& each : members) by_load->add(std::move(each));
        }
        Loaded least = by_load->poll();
        least.tasks = give(least.member, task, is_active);
        std::size_t now = least.tasks;
        by_load->add(std::move(least));
        return now;
    }

  private:
    std::size_t give(const std::string& member, const TaskId& task, bool is_active) {
        ++count;
        tasks.insert(task);
        (is_active ? active : standby)[member].insert(task);
        return ++tasks_of_member.at(member);
    }
};

// How many tasks each of the members that may still get some gets at most.
struct Quota {
    std::size_t tasks = 0;
    std::size_t members = 0;

    std::size_t per_member() const { return members == 0 ? 0 : (tasks + members - 1) / members; }
    // A member has so many now.
    void has(std::size_t now) {
        if (now != per_member() || members == 0) return;
        --members;
        tasks -= std::min(tasks, now);
    }
};

class StickyAssignment {
  public:
    StickyAssignment(const std::vector<TaskMember>& members,
                     const std::map<std::string, ConfiguredTopology::Subtopology>& subtopologies,
                     std::int32_t standby_replicas)
        : subtopologies_(subtopologies), replicas_(static_cast<std::size_t>(standby_replicas)) {
        for (const auto& [id, subtopology] : subtopologies) {
            auto tasks = static_cast<std::size_t>(subtopology.tasks);
            active_quota_.tasks += tasks;
            quota_.tasks += tasks + (subtopology.is_stateful() ? tasks * replicas_ : 0);
        }
        active_quota_.members = quota_.members = members.size();
        std::vector<TaskMember> ordered = members;
        put_in_timeline_order(ordered,
                              [](const TaskMember& each) -> std::string_view { return each.id; });
        put_in_table_order(ordered, grown_table(ordered.size()),
                           [](const TaskMember& each) -> std::string_view { return each.id; });
        for (const TaskMember& each : ordered) take(each);
        order_processes(members.size());
    }

    std::map<std::string, TaskAssignment> run() {
        assign_active();
        if (replicas_ > 0) assign_standby();
        std::map<std::string, TaskAssignment> assigned;
        for (const auto& [id, process] : processes_) {
            for (const auto& [member, count] : process.tasks_of_member) assigned[member];
            for (const auto& [member, tasks] : process.active)
                for (const TaskId& each : tasks)
                    assigned[member].active[each.subtopology].insert(each.partition);
            for (const auto& [member, tasks] : process.standby)
                for (const TaskId& each : tasks)
                    assigned[member].standby[each.subtopology].insert(each.partition);
        }
        return assigned;
    }

  private:
    struct Place {
        Process* process = nullptr;
        std::string member;
    };
    struct LessLoaded {
        bool operator()(const Process* a, const Process* b) const { return a->load() < b->load(); }
    };
    using Processes = JavaQueue<Process*, LessLoaded>;

    void take(const TaskMember& member) {
        Process& process = processes_[member.process_id];
        if (process.tasks_of_member.empty()) {
            process.id = member.process_id;
            order_.push_back(&process);
        }
        process.tasks_of_member[member.id] = 0;
        Place place{&process, member.id};
        for (const auto& [subtopology, partitions] : member.last->active)
            for (std::int32_t each : partitions) last_active_[{subtopology, each}] = place;
        for (const auto& [subtopology, partitions] : member.last->standby)
            for (std::int32_t each : partitions)
                last_standby_[{subtopology, each}].push_back(place);
    }

    // Of a table made for so many members.
    void order_processes(std::size_t members) {
        std::size_t buckets = std::bit_ceil(std::max<std::size_t>(members, 1));
        while (order_.size() > buckets * 3 / 4) buckets *= 2;
        put_in_table_order(order_, buckets,
                           [](const Process* each) -> std::string_view { return each->id; });
    }

    std::vector<TaskId> all_tasks(bool only_stateful) const {
        std::vector<TaskId> tasks;
        for (const auto& [id, subtopology] : subtopologies_) {
            if (only_stateful && !subtopology.is_stateful()) continue;
            for (std::int32_t i = 0; i < subtopology.tasks; ++i) tasks.push_back({id, i});
        }
        return tasks;
    }
    Processes processes_by_load() const {
        Processes queue{LessLoaded()};
        for (Process* each : order_) queue.add(each);
        return queue;
    }

    static std::size_t load_of(const Place& place) {
        return place.process->tasks_of_member.at(place.member);
    }
    bool give_active(const Place& place, const TaskId& task) {
        if (load_of(place) >= active_quota_.per_member()) return false;
        count_active(place.process->give_to(place.member, task, true));
        return true;
    }
    void count_active(std::size_t now) {
        active_quota_.has(now);
        quota_.has(now);
    }

    // The least loaded of those that had the task in standby; with `task`, none whose process has
    // it by now: that is asked of the first alone.
    static const Place* least_loaded(const std::vector<Place>& places, const TaskId* task) {
        const Place* least = &places.front();
        double process_load = least->process->load();
        std::size_t member_load = load_of(*least);
        for (const Place& each : places) {
            double load = each.process->load();
            if (load >= process_load || (task != nullptr && each.process->tasks.contains(*task)))
                continue;
            if (load_of(each) >= member_load) continue;
            least = &each;
            process_load = load;
            member_load = load_of(each);
        }
        bool first_has_it = task != nullptr && places.front().process->tasks.contains(*task);
        return first_has_it ? nullptr : least;
    }

    void assign_active() {
        std::vector<TaskId> tasks = all_tasks(false);
        std::ranges::sort(tasks, {}, [](const TaskId& each) {
            return std::tie(each.partition, each.subtopology);
        });
        std::erase_if(tasks, [&](const TaskId& task) {
            auto last = last_active_.find(task);
            return last != last_active_.end() && give_active(last->second, task);
        });
        std::erase_if(tasks, [&](const TaskId& task) {
            auto last = last_standby_.find(task);
            return last != last_standby_.end() &&
                   give_active(*least_loaded(last->second, nullptr), task);
        });
        std::ranges::sort(tasks);
        if (order_.empty()) return;
        Processes by_load = processes_by_load();
        for (const TaskId& task : tasks) {
            Process* least = by_load.poll();
            count_active(least->give_to_least_loaded(task, true));
            by_load.add(least);
        }
    }

    bool give_standby(const Place& place, const TaskId& task) {
        if (load_of(place) >= quota_.per_member()) return false;
        quota_.has(place.process->give_to(place.member, task, false));
        return true;
    }
    bool give_back_standby(const TaskId& task) {
        auto active = last_active_.find(task);
        if (active != last_active_.end() && !active->second.process->tasks.contains(task) &&
            give_standby(active->second, task)) {
            return true;
        }
        auto standby = last_standby_.find(task);
        if (standby == last_standby_.end()) return false;
        const Place* least = least_loaded(standby->second, &task);
        return least != nullptr && give_standby(*least, task);
    }

    // To the least loaded process that has not got it.
    bool give_standby_to_least_loaded(Processes& by_load, const TaskId& task) {
        if (by_load.empty()) return false;
        Process* least = by_load.poll();
        bool given = !least->tasks.contains(task);
        if (given) {
            quota_.has(least->give_to_least_loaded(task, false));
        } else {
            given = give_standby_to_least_loaded(by_load, task);
        }
        by_load.add(least);
        return given;
    }

    void assign_standby() {
        std::vector<TaskId> tasks = all_tasks(true);
        std::ranges::sort(tasks, std::greater(), [](const TaskId& each) {
            return std::tie(each.partition, each.subtopology);
        });
        std::vector<std::pair<TaskId, std::size_t>> rest;
        for (const TaskId& task : tasks) {
            std::size_t given = 0;
            while (given < replicas_ && give_back_standby(task)) ++given;
            if (given < replicas_) rest.emplace_back(task, replicas_ - given);
        }
        std::ranges::sort(rest, std::greater(), [](const auto& each) { return each.first; });
        Processes by_load = processes_by_load();
        for (const auto& [task, replicas] : rest) {
            for (std::size_t i = 0; i < replicas; ++i)
                if (!give_standby_to_least_loaded(by_load, task)) break;
        }
    }

    const std::map<std::string, ConfiguredTopology::Subtopology>& subtopologies_;
    std::size_t replicas_;
    Quota active_quota_;
    Quota quota_;  // of active and standby tasks
    std::map<std::string, Process> processes_;
    std::vector<Process*> order_;
    std::map<TaskId, Place> last_active_;
    std::map<TaskId, std::vector<Place>> last_standby_;
};

}  // namespace

std::map<std::string, TaskAssignment> assign_sticky(
    const std::vector<TaskMember>& members,
    const std::map<std::string, ConfiguredTopology::Subtopology>& subtopologies,
    std::int32_t standby_replicas) {
    return StickyAssignment(members, subtopologies, standby_replicas).run();
}

}  // namespace millrace::groups
