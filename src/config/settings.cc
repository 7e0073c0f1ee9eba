#include "config/settings.h"

#include <utility>

#include "base/check.h"

namespace millrace::config {
namespace {

std::vector<Value> defaults_of(const Catalogue& catalogue) {
    std::vector<Value> values;
    values.reserve(catalogue.all().size());
    for (const Definition& definition : catalogue.all()) {
        values.push_back(default_value(definition));
    }
    return values;
}

}  // namespace

Settings::Settings(const Catalogue& catalogue) : Settings(catalogue, defaults_of(catalogue)) {}

Settings::Settings(const Catalogue& catalogue, std::vector<Value> values)
    : catalogue_(&catalogue),
      values_(std::make_shared<const std::vector<Value>>(std::move(values))) {
    CHECK(values_->size() == catalogue.all().size());
}

const std::vector<std::string>& Settings::list(std::size_t i) const {
    static const std::vector<std::string> none;
    const auto* words = std::get_if<std::vector<std::string>>(&at(i));
    return words == nullptr ? none : *words;
}

}  // namespace millrace::config
