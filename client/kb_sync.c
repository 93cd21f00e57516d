/* client/kb_sync.c - starting and stopping synchronization. */
#include "client/kb_policy.h"
#include "client/network.h"

bool client_connected(struct kb *kb)
{
    (void)pthread_mutex_lock(&kb->lock);
    bool connected = kb->network != NULL && kb->live.connected;
    (void)pthread_mutex_unlock(&kb->lock);
    return connected;
}

int client_go_on(struct kb *kb, struct err *err)
{
    if (kb->network != NULL) {
        return 0;
    }
    struct network *network = NULL;
    int rc = network_start(&network, kb, err);
    if (rc == 0) {
        (void)pthread_mutex_lock(&kb->lock);
        kb->network = network;
        (void)pthread_cond_broadcast(&kb->changed);
        (void)pthread_mutex_unlock(&kb->lock);
        network_wake(network, NETWORK_REQUESTS | NETWORK_OPS);
    }
    return rc;
}

/* With kb->control. False: it does not run. */
bool client_halt(struct kb *kb)
{
    struct network *network = kb->network;
    if (network == NULL) {
        return false;
    }
    (void)pthread_mutex_lock(&kb->lock);
    kb->network = NULL; /* nobody wakes it from now on */
    (void)pthread_cond_broadcast(&kb->changed);
    (void)pthread_mutex_unlock(&kb->lock);
    network_stop(&network);
    outbox_stop_sending(kb->outbox);
    return true;
}

/* With kb->control. */
static int set_started(struct kb *kb, bool started, struct err *err)
{
    struct identity identity;
    (void)pthread_mutex_lock(&kb->lock);
    identity = kb->identity;
    (void)pthread_mutex_unlock(&kb->lock);
    if (identity.device == 0) {
        return started ? err_set(err, E_NOT_JOINED,
                                 "this machine has not joined a server: join with a token first")
                       : 0;
    }
    int rc = 0;
    if (identity.started != started) {
        identity.started = started;
        rc = client_store_identity(kb, &identity, err);
    }
    identity_wipe(&identity);
    return rc;
}

bool client_wanted(struct kb *kb)
{
    (void)pthread_mutex_lock(&kb->lock);
    bool wanted = kb->identity.device != 0 && kb->identity.started;
    (void)pthread_mutex_unlock(&kb->lock);
    return wanted;
}

int client_connect(struct kb *kb, struct err *err)
{
    (void)pthread_mutex_lock(&kb->control);
    int rc = client_wanted(kb) ? client_go_on(kb, err) : 0;
    (void)pthread_mutex_unlock(&kb->control);
    return rc;
}

int kb_start(struct kb *kb, struct kb_error *error)
{
    ASSERT(kb != NULL);
    struct err err = {0};
    (void)pthread_mutex_lock(&kb->control);
    int rc = set_started(kb, true, &err);
    rc = rc != 0 ? rc : client_go_on(kb, &err);
    (void)pthread_mutex_unlock(&kb->control);
    return rc == 0 ? 0 : client_fail(error, &err);
}

/* With kb->control: what waits is to be judged before it is sent. */
static int judge_first(struct kb *kb, enum kb_join_policy policy, struct err *err)
{
    if (!client_is_policy(policy)) {
        return err_set(err, E_INVALID, "there is no such policy");
    }
    if (policy == KB_SERVER_WINS) {
        return 0;
    }
    if (client_connected(kb)) {
        return err_set(err, E_CONDITION,
                       "this machine is connected, and what it writes is sent at once: a policy is "
                       "for what was written while it was not");
    }
    return client_judging_begin(kb, policy, err);
}

int kb_start_with(struct kb *kb, enum kb_join_policy policy, struct kb_error *error)
{
    ASSERT(kb != NULL);
    struct err err = {0};
    (void)pthread_mutex_lock(&kb->control);
    int rc = client_joined(kb) ? judge_first(kb, policy, &err) : 0;
    if (rc == 0 && policy != KB_SERVER_WINS) {
        (void)client_halt(kb); /* it takes the policy up when it goes on */
    }
    rc = rc != 0 ? rc : set_started(kb, true, &err);
    rc = rc != 0 ? rc : client_go_on(kb, &err);
    (void)pthread_mutex_unlock(&kb->control);
    return rc == 0 ? 0 : client_fail(error, &err);
}

int kb_stop(struct kb *kb, struct kb_error *error)
{
    ASSERT(kb != NULL);
    struct err err = {0};
    (void)pthread_mutex_lock(&kb->control);
    int rc = set_started(kb, false, &err);
    if (rc == 0) {
        (void)client_halt(kb);
    }
    (void)pthread_mutex_unlock(&kb->control);
    return rc == 0 ? 0 : client_fail(error, &err);
}
