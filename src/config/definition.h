#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace millrace::config {

// Values are the type codes of DescribeConfigs (schema/enums.tsv).
enum class Type : std::int8_t {
    unknown = 0,
    boolean = 1,
    string = 2,
    int32 = 3,
    int16 = 4,
    int64 = 5,
    float64 = 6,
    list = 7,
    class_name = 8,
    password = 9,
};
std::string_view name_of(Type type);  // "INT", as Kafka's documentation writes it

enum class Importance : std::uint8_t { high, medium, low };

// How a broker's key is changed while it runs (KIP-226).
enum class UpdateMode : std::uint8_t { read_only, per_broker, cluster_wide };

// What a value must look like besides its type.
enum class Form : std::uint8_t {
    any,
    range,      // low..high, both allowed
    one_of,     // one of the choices
    set,        // a list without empty words, of the choices if there are any; duplicates fall out
    not_empty,  // a string of at least one character
    voters,     // ID@HOST:PORT,...
    servers,    // HOST:PORT,...
    throttled_replicas,  // PARTITION:BROKER,... or *
    offset_reset,        // earliest, latest, by_duration:ISO-8601, and the choices
    client_match,        // KEY=REGEX,... (KIP-714)
};

struct Valid {
    Form form = Form::any;
    double low = 0;
    double high = 0;
    bool or_minus_one = false;
    bool any_case = false;
    bool not_empty = false;
    std::span<const std::string_view> choices = {};
    std::string_view text = {};  // as schema/config says it, for people
};

// A broker key that supplies the default of a topic's or group's key, and what its number is
// multiplied by (hours and minutes to milliseconds).
struct Supplier {
    std::string_view broker_key;
    std::int64_t factor = 1;
};

// One line of schema/config.
struct Definition {
    std::string_view name;
    Type type = Type::unknown;
    std::optional<std::string_view> default_text;  // none: null, or required
    bool required = false;
    Valid valid;
    Importance importance = Importance::low;
    UpdateMode mode = UpdateMode::read_only;
    bool internal = false;                            // not shown by DescribeConfigs
    bool dynamic_only = false;                        // a broker's file does not take it
    bool own = false;                                 // Millrace has it, Apache Kafka has not
    std::span<const std::string_view> synonyms = {};  // with itself; the first one set wins
    std::span<const Supplier> suppliers = {};         // the first one set wins
    std::string_view broker_min = {};                 // broker keys that bound a group's value
    std::string_view broker_max = {};
    std::string_view documentation = {};

    bool sensitive() const { return type == Type::password || type == Type::unknown; }
};

// The definitions of one kind of resource, sorted by name.
class Catalogue {
  public:
    constexpr explicit Catalogue(std::span<const Definition> sorted) : definitions_(sorted) {}

    std::span<const Definition> all() const { return definitions_; }
    const Definition* find(std::string_view name) const;  // nullptr: no such key
    std::size_t index_of(const Definition& definition) const {
        return static_cast<std::size_t>(&definition - definitions_.data());
    }
    // The name with the fewest edits between it and `name`; "" when none is near.
    std::string_view nearest(std::string_view name) const;

  private:
    std::span<const Definition> definitions_;
};

const Catalogue& broker_catalogue();
const Catalogue& topic_catalogue();
const Catalogue& group_catalogue();
const Catalogue& client_metrics_catalogue();
// Of what clients are configured with.
const Catalogue& producer_catalogue();
const Catalogue& consumer_catalogue();
const Catalogue& admin_catalogue();

// "did you mean 'log.dirs'?" behind a comma, or "" when no name is near.
std::string suggestion(const Catalogue& catalogue, std::string_view name);

}  // namespace millrace::config
