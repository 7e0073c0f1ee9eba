#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/definition.h"
#include "config/value.h"

namespace millrace::config {

// The values of every key of a catalogue, immutable and shared by its copies. The generated
// classes (BrokerSettings, TopicSettings, GroupSettings, ClientMetricsSettings) give each key an
// accessor of its type: std::optional where the default is null, an empty list for a null list.
class Settings {
  public:
    const Catalogue& catalogue() const { return *catalogue_; }
    const Value& at(std::size_t index) const { return (*values_)[index]; }
    const Value& at(const Definition& definition) const {
        return at(catalogue_->index_of(definition));
    }
    // nullptr when the catalogue has no such key.
    const Value* find(std::string_view name) const {
        const Definition* definition = catalogue_->find(name);
        return definition == nullptr ? nullptr : &at(*definition);
    }

  protected:
    explicit Settings(const Catalogue& catalogue);  // the defaults
    Settings(const Catalogue& catalogue, std::vector<Value> values);

    bool boolean(std::size_t i) const { return *std::get_if<bool>(&at(i)); }
    template <typename T>
    T number(std::size_t i) const {
        return static_cast<T>(*std::get_if<std::int64_t>(&at(i)));
    }
    template <typename T>
    std::optional<T> optional_number(std::size_t i) const {
        const auto* n = std::get_if<std::int64_t>(&at(i));
        return n == nullptr ? std::nullopt : std::optional<T>(static_cast<T>(*n));
    }
    double real(std::size_t i) const { return *std::get_if<double>(&at(i)); }
    const std::string& string(std::size_t i) const { return *std::get_if<std::string>(&at(i)); }
    std::optional<std::string_view> optional_string(std::size_t i) const {
        const auto* s = std::get_if<std::string>(&at(i));
        return s == nullptr ? std::nullopt : std::optional<std::string_view>(*s);
    }
    const std::vector<std::string>& list(std::size_t i) const;

  private:
    const Catalogue* catalogue_;
    std::shared_ptr<const std::vector<Value>> values_;
};

}  // namespace millrace::config
