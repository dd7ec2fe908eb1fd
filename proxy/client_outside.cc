// Client: a login that somebody else decides, PAM or an LDAP server. A thread of its own asks, while the worker goes on; a client
// that has left meanwhile is not found any more, and if nobody has been asked yet, nobody is.
#include "proxy/client.h"
#include "proxy/ldap_login.h"
#include "proxy/pam_login.h"
#include "proxy/worker.h"

namespace proxy {
namespace {

// For client_login_timeout = 0: nobody may be waited for for ever.
constexpr pool::Duration kPatience{60'000'000};

}  // namespace

void Client::AskOutside() {
  const conf::Global& global = login_->runtime->config->global;
  const pool::TimePoint deadline = Now() + (global.client_login_timeout > pool::Duration(0) ? global.client_login_timeout : kPatience);
  const conf::Secret password(login_->exchange->cleartext());
  LoginThreads::Question question{.asker = login_->exchange, .deadline = deadline};
  if (login_->method == conf::AuthType::kPam) {
    const std::string from = peer_ == PeerKind::kTcp ? address_.Name().address : "unix";  // PgBouncer's word for it
    question.ask = [pam = PamQuestion{login_->pam_service, global.pam_config_dir, user_, from, password}] { return AskPam(pam); };
  } else {
    question.ask = [ldap = LdapQuestion{*login_->ldap, user_, password, deadline}] { return AskLdap(ldap); };
  }
  question.done = [worker = worker_, id = id_](const std::string& fault) {
    worker->Post([worker, id, fault] {
      Client* client = worker->FindClient(id);
      if (client == nullptr || client->state_ != ClientState::kLogin || !client->login_ || !client->login_->step_runs) return;
      client->login_->step_runs = false;
      client->OnLoginStep(client->login_->exchange->OnOutsideAnswer(fault), "");
      client->RunPending();
    });
  };
  login_->step_runs = true;
  if (!worker_->shared().logins.Ask(std::move(question))) TooBusy("too many PAM and LDAP logins in progress");
}

}  // namespace proxy
